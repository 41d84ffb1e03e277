using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>A call that was encoded and waits for its outcome. Exactly one of the ways to complete it wins; later ones do nothing.</summary>
internal abstract class PendingCall
{
    private static long lastId;

    private readonly CallerSide context;
    private readonly Lock gate = new();
    private Queue<Action>? reports;
    private bool reporting;
    private Action? completion;
    private PayloadWriter? payload;
    private int settled;

    protected PendingCall(FunctionReference function, Call call, PayloadWriter payload, CallerSide context)
    {
        Id = Interlocked.Increment(ref lastId);
        Function = function;
        Options = call.Options;
        Name = call.Name;
        this.payload = payload;
        this.context = context;
    }

    public long Id { get; }

    public FunctionReference Function { get; }

    public CallOptions Options { get; }

    public string Name { get; }

    public CancellationToken Token => context.EffectiveToken;

    /// <summary>The encoded target and arguments; kept until the call can't be sent again.</summary>
    public PayloadWriter Payload => payload ?? throw new InvalidOperationException("The call's payload was already given back.");

    public abstract bool IsCompleted { get; }

    /// <summary>True for the first who asks, who then has to complete the call; what must happen before its caller knows, happens in between.</summary>
    public bool TrySettle() => Interlocked.Exchange(ref settled, 1) == 0;

    /// <summary>What the call ended with other than a result; null if it has one or hasn't ended.</summary>
    public abstract Exception? Failure { get; }

    /// <summary>Calls back when the call is completed, on the completing thread or a thread of the pool.</summary>
    public abstract void WhenCompleted(Action<PendingCall, object> callback, object state);

    /// <summary>Gives the buffer back once the call can no longer be moved to another worker.</summary>
    public void ReleasePayload() => Interlocked.Exchange(ref payload, null)?.Dispose();

    public abstract void SetResult(ReadOnlyMemory<byte> encoded);

    public abstract void SetException(Exception exception);

    public abstract void SetCanceled();

    /// <summary>Hands a progress report on, in order, on a thread of the pool: never on the thread that reads from the worker.</summary>
    public void Report(int number, ReadOnlyMemory<byte> encoded)
    {
        PayloadReader reader = new(encoded);
        if (context.ReadReport(number, ref reader) is not { } report)
            return;
        lock (gate)
        {
            (reports ??= new Queue<Action>()).Enqueue(report);
            if (reporting)
                return;
            reporting = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static call => call.DeliverReports(), this, preferLocal: false);
    }

    /// <summary>Completes the call now, or as soon as the reports before it have been delivered.</summary>
    protected void Complete(Action complete)
    {
        lock (gate)
        {
            if (reporting)
            {
                completion ??= complete;
                return;
            }
        }

        complete();
    }

    private void DeliverReports()
    {
        while (true)
        {
            Action? next;
            lock (gate)
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
internal sealed class PendingCall<TResult>(FunctionReference function, Call call, PayloadWriter payload, CallerSide context)
    : PendingCall(function, call, payload, context)
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

    public override void WhenCompleted(Action<PendingCall, object> callback, object state)
    {
        if (IsCompleted)
            callback(this, state);
        else
            outcome.Task.GetAwaiter().UnsafeOnCompleted(() => callback(this, state));
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
            SetException(new UnsendableCallException($"{Name}: the result ({TypeNames.Of(typeof(TResult))}) arrived but can't be read: {reason.Message}", reason));
            return;
        }

        Complete(() => outcome.TrySetResult(value));
    }

    public override void SetException(Exception exception) => Complete(() => outcome.TrySetException(exception));

    public override void SetCanceled() => Complete(() => outcome.TrySetCanceled(Token));
}
