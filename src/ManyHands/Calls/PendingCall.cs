using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>A call that was encoded and waits for its outcome. Exactly one of the ways to complete it wins; later ones do nothing.</summary>
internal abstract class PendingCall
{
    private readonly CallerSide? receivers;
    private Queue<Action>? reports;
    private bool reporting;
    private Action? completion;
    private Exception? lostReport;
    private EncodedPayload payload;
    private int settled;

    protected PendingCall(FunctionReference function, Call call, EncodedPayload payload, CallerSide? receivers, CancellationToken token)
    {
        Function = function;
        Options = call.Options;
        this.payload = payload;
        Token = token;
        this.receivers = receivers;
    }

    public FunctionReference Function { get; }

    public CallOptions Options { get; }

    public string Name => Options.Name ?? Function.Name;

    public CancellationToken Token { get; }

    /// <summary>The encoded target and arguments; kept until the call can't be sent again.</summary>
    public EncodedPayload Payload => payload;

    /// <summary>Whether it has receivers of progress.</summary>
    public bool HasReceivers => receivers is not null;

    public abstract bool IsCompleted { get; }

    /// <summary>True for the first who asks, who then has to complete the call; what must happen before its caller knows, happens in between.</summary>
    public bool TrySettle() => Interlocked.Exchange(ref settled, 1) == 0;

    /// <summary>What the call ended with other than a result; null if it has one or hasn't ended.</summary>
    public abstract Exception? Failure { get; }

    /// <summary>Calls back when the call is completed, on the completing thread or a thread of the pool.</summary>
    /// <param name="callback">What to do.</param>
    /// <param name="state">For it.</param>
    /// <param name="failed">Called as well if that throws.</param>
    public abstract void WhenCompleted(Action<PendingCall, object> callback, object state, Action<object, Exception> failed);

    /// <summary>Gives the buffer back once the call can no longer be moved to another worker.</summary>
    public void ReleasePayload() => EncodedPayload.Release(ref payload);

    public abstract void SetResult(ReadOnlyMemory<byte> encoded);

    public abstract void SetException(Exception exception);

    public abstract void SetCanceled();

    /// <summary>Hands a progress report on, in order, on a thread of the pool: never on the thread that reads from the worker. One that can't be read fails the call when it ends.</summary>
    public void Report(int number, ReadOnlyMemory<byte> encoded)
    {
        Action? report;
        try
        {
            PayloadReader reader = new(encoded);
            report = receivers?.ReadReport(number, ref reader);
        }
        catch (Exception reason)
        {
            LoseReport(reason);
            return;
        }

        if (report is null)
            return;
        lock (this)
        {
            (reports ??= new Queue<Action>()).Enqueue(report);
            if (reporting)
                return;
            reporting = true;
        }

        Guarded.Queue(GuardedEntry.Progress, this, static call => call.DeliverReports(), static call => $"the progress of {call.Name}, which fails", static (call, unforeseen) => call.DropReports(unforeseen));
    }

    /// <summary>A report didn't come through. The call goes on; but it isn't one with a result any more.</summary>
    public void LoseReport(Exception reason) => Interlocked.CompareExchange(ref lostReport, CallOutcome.UnreadableReport(Name, reason), null);

    /// <summary>The call runs again, and with it comes every report.</summary>
    public void ForgetLostReport() => Volatile.Write(ref lostReport, null);

    /// <summary>What a call comes to that has a result but lost a report; null if it didn't.</summary>
    protected Exception? LostReport => Volatile.Read(ref lostReport);

    protected bool HasReports => Volatile.Read(ref reports) is not null;

    /// <summary>Completes the call now, or as soon as the reports before it have been delivered.</summary>
    protected void CompleteAfterReports(Action complete)
    {
        lock (this)
        {
            if (reporting)
            {
                completion ??= complete;
                return;
            }
        }

        complete();
    }

    private void DropReports(Exception unforeseen)
    {
        LoseReport(unforeseen);
        Action? complete;
        lock (this)
        {
            reports!.Clear();
            reporting = false;
            complete = completion;
            completion = null;
        }

        complete?.Invoke();
    }

    private void DeliverReports()
    {
        while (true)
        {
            Action? next;
            lock (this)
            {
                if (!reports!.TryDequeue(out next))
                {
                    reporting = false;
                    next = completion;
                    completion = null;
                    if (next is null)
                        return;
                }
            }

            try
            {
                next();
            }
            catch (Exception)
            {
                // A receiver that throws in Report has no caller to tell; the call itself goes on.
            }
        }
    }
}

/// <inheritdoc/>
internal sealed class PendingCall<TResult>(FunctionReference function, Call call, EncodedPayload payload, CallerSide? receivers, CancellationToken token)
    : PendingCall(function, call, payload, receivers, token)
{
    private readonly TaskCompletionSource<TResult> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<TResult> Task => outcome.Task;

    public override bool IsCompleted => outcome.Task.IsCompleted;

    public override Exception? Failure => outcome.Task switch
    {
        { IsFaulted: true } task => task.Exception.InnerException,
        { IsCanceled: true } => new OperationCanceledException(Token),
        _ => null,
    };

    public override void WhenCompleted(Action<PendingCall, object> callback, object state, Action<object, Exception> failed)
    {
        if (IsCompleted)
            callback(this, state);
        else
            Guarded.OnEnded(GuardedEntry.CallCompletion, outcome.Task, this, call => callback(call, state), static call => $"the end of {call.Name}", (_, unforeseen) => failed(state, unforeseen));
    }

    public override void SetResult(ReadOnlyMemory<byte> encoded)
    {
        TResult value;
        try
        {
            PayloadReader reader = new(encoded);
            value = Codec<TResult>.Instance.Read(ref reader);
        }
        catch (Exception reason)
        {
            SetException(CallOutcome.Unreadable(Name, typeof(TResult), reason));
            return;
        }

        if (LostReport is { } lost)
            SetException(lost);
        else if (HasReports)
            SetResultAfterReports(value);
        else
            outcome.TrySetResult(value);
    }

    public override void SetException(Exception exception) => CompleteAfterReports(() => outcome.TrySetException(exception));

    public override void SetCanceled() => CompleteAfterReports(() => outcome.TrySetCanceled(Token));

    // Apart, so that only calls with reports pay for the closure.
    private void SetResultAfterReports(TResult value) => CompleteAfterReports(() =>
    {
        if (LostReport is { } lost)
            outcome.TrySetException(lost);
        else
            outcome.TrySetResult(value);
    });
}
