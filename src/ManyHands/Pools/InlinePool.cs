using System.Collections.Concurrent;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Pools;

/// <summary>
/// The engine of <see cref="Pool.Inline"/>: encodes the call, decodes it again and runs it in the caller, with the code that a child runs.
/// </summary>
internal sealed class InlinePool(InlinePoolOptions options) : Pool
{
    private readonly ConcurrentDictionary<int, DefinedFunction> functions = new();
    private readonly CallCounters counters = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly Lock initializing = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool initialized;
    private PoolBrokenException? broken;
    private int running;
    private int unended;
    private volatile bool closed;

    public override PoolStatistics Statistics => counters.Snapshot("inline", 1, [], 0, Volatile.Read(ref running), 0, 0);

    internal override int MapWidth => 1;

    internal override bool RunsInCaller => true;

    public override Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (closed)
            throw Closed();
        Initialize();
        return Task.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        // Asynchronous functions may still be under way.
        Task wait;
        lock (gate)
        {
            closed = true;
            if (unended == 0)
                drained.TrySetResult();
            wait = drained.Task;
        }

        try
        {
            await wait.WaitAsync(options.ShutdownTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Kill();
        }
    }

    public override void Kill()
    {
        closed = true;
        _ = stopping.CancelAsync();
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (closed)
            throw Closed();
        Initialize();
        PendingCall<TResult> pending = CallEncoder.Encode(call);
        if (pending.Token.IsCancellationRequested)
        {
            pending.ReleasePayload();
            return Task.FromCanceled<TResult>(pending.Token);
        }

        Guarded.Watch(GuardedEntry.InlineCall, RunAsync(pending), (Pool: this, Call: pending), static one => one.Call.Name, static (one, unforeseen) => one.Pool.Fail(one.Call, CallOutcome.Unforeseen(one.Call.Name, unforeseen)));
        return pending.Task;
    }

    private async Task RunAsync<TResult>(PendingCall<TResult> pending)
    {
        FaultPoint.Enter(GuardedEntry.InlineCall);
        lock (gate)
            unended++;
        Interlocked.Increment(ref running);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(pending.Token, stopping.Token);
        bool timedOut = false;
        Deadline? grace = null;
        Deadline? deadline = pending.Options.HasTimeout
            ? Deadlines.After(pending.Options.Timeout!.Value, () =>
            {
                Volatile.Write(ref timedOut, true);
                try
                {
                    _ = stop.CancelAsync();
                }
                catch (ObjectDisposedException)
                {
                    // The function ended at this very moment.
                }

                // An asynchronous function may never come back; a synchronous one has the caller's thread until it does.
                grace = Deadlines.After(pending.Options.Grace, () => Fail(pending, TimedOut(pending)), failed: _ => Fail(pending, TimedOut(pending)));
            },
            failed: _ => Fail(pending, TimedOut(pending)))
            : null;
        CancellationTokenRegistration impatience = Guarded.OnCanceled(
            GuardedEntry.CallCancellation,
            pending.Token,
            pending,
            pending => grace = Deadlines.After(pending.Options.Grace, () => Cancel(pending), failed: _ => Cancel(pending)),
            static pending => pending.Name,
            (pending, _) => Cancel(pending));

        using PayloadWriter answer = new();
        InlineSide side = new(pending, stop.Token);
        OutcomeKind kind = await CallRunner.RunAsync(
            functions.GetOrAdd(pending.Function.Id, static (_, function) => new DefinedFunction(function.Definition), pending.Function),
            pending.Payload.Memory,
            side,
            answer,
            observer: null).ConfigureAwait(false);

        impatience.Dispose();
        deadline?.Cancel();
        Volatile.Read(ref grace)?.Cancel();
        Interlocked.Decrement(ref running);
        if (Volatile.Read(ref timedOut))
            Fail(pending, TimedOut(pending));
        else if (kind == OutcomeKind.Canceled && pending.Token.IsCancellationRequested)
            Cancel(pending);
        else if (kind == OutcomeKind.Canceled)
            Fail(pending, Closed());
        else if (pending.TrySettle())
        {
            if (kind == OutcomeKind.Result)
                counters.CountCompleted();
            else
                counters.CountFailed();
            CallOutcome.Complete(pending, kind, answer.WrittenMemory);
        }

        pending.ReleasePayload();
        lock (gate)
        {
            if (--unended == 0 && closed)
                drained.TrySetResult();
        }
    }

    private void Fail(PendingCall call, Exception exception)
    {
        if (!call.TrySettle())
            return;
        counters.CountFailure(exception);
        call.SetException(exception);
    }

    private void Cancel(PendingCall call)
    {
        if (!call.TrySettle())
            return;
        counters.CountCanceled();
        call.SetCanceled();
    }

    private static CallTimeoutException TimedOut(PendingCall call) =>
        new($"{call.Name} ran longer than its timeout of {call.Options.Timeout!.Value.TotalSeconds:0.###} s.", call.Options.Timeout!.Value);

    private void Initialize()
    {
        lock (initializing)
        {
            if (broken is not null)
                throw new PoolBrokenException(ExceptionText.MessageOf(broken), broken.InnerException);
            if (initialized)
                return;
            try
            {
                options.Initializer?.Invoke();
                initialized = true;
            }
            catch (Exception reason)
            {
                broken = new PoolBrokenException($"The pool's initializer threw {reason.GetType().Name}: {ExceptionText.MessageOf(reason)}", reason);
                throw new PoolBrokenException(ExceptionText.MessageOf(broken), reason);
            }
        }
    }

    private sealed class InlineSide(PendingCall call, CancellationToken token) : WorkerSide
    {
        public override CancellationToken Token => token;

        protected override Action<int, PayloadWriter> ReportSender() => (number, report) => call.Report(number, report.WrittenSpan.ToArray());
    }
}
