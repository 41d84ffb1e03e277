using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>
/// The engine of <see cref="Pool.Processes"/>: the callers' side. Accepts calls, keeps their deadlines and cancellations, settles their outcomes. Which worker
/// gets what is <see cref="Dispatcher"/>'s business.
/// </summary>
internal sealed class ProcessPool : Pool
{
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(2);

    private readonly int limit;
    private readonly ProcessPoolOptions options;
    private readonly CallCounters counters = new();
    private readonly Dispatcher dispatcher;

    public ProcessPool(int limit, ProcessPoolOptions options)
    {
        this.limit = limit;
        this.options = options;
        _ = RuntimeLayout.Current;
        PendingCall? initializer = options.Initializer is { } function
            ? CallEncoder.Encode(new Call<Arguments, NoResult>(function, default, new CallOptions { Name = "The pool's initializer" }))
            : null;
        dispatcher = new Dispatcher(limit, options, initializer, this);
    }

    public override PoolStatistics Statistics => dispatcher.Snapshot(counters);

    internal override int MapWidth => dispatcher.MapWidth;

    public override Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        if (dispatcher.IsClosed)
            throw Closed();
        return dispatcher.StartAll().WaitAsync(cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        Task drained = dispatcher.Close();
        try
        {
            await drained.WaitAsync(options.ShutdownTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Kill();
        }

        await dispatcher.EndWorkers(EndTime).ConfigureAwait(false);
    }

    public override void Kill()
    {
        _ = dispatcher.Close();
        foreach (PoolCall call in dispatcher.KillWorkers("the pool was closed"))
            Fail(call, Closed());
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (dispatcher.IsClosed)
            throw Closed();
        PendingCall<TResult> pending = CallEncoder.Encode(call);
        if (pending.Token.IsCancellationRequested)
        {
            pending.ReleasePayload();
            counters.CountCanceled();
            return Task.FromCanceled<TResult>(pending.Token);
        }

        PoolCall pooled = new(pending);
        if (!dispatcher.TryEnqueue(pooled, out PoolBrokenException? broken))
        {
            pending.ReleasePayload();
            throw broken is not null ? new PoolBrokenException(broken.Message, broken.InnerException) : Closed();
        }

        if (pending.Token.CanBeCanceled)
        {
            CancellationTokenRegistration registration = pending.Token.UnsafeRegister(
                static state =>
                {
                    (ProcessPool pool, PoolCall call) = ((ProcessPool, PoolCall))state!;
                    pool.OnCallerCancels(call);
                },
                (this, pooled));
            if (!dispatcher.KeepRegistration(pooled, registration))
                registration.Unregister();
        }

        return pending.Task;
    }

    /// <summary>The function is about to be called: its time counts from here.</summary>
    public void OnStarted(PoolCall call)
    {
        if (call.Call.Options.HasTimeout)
            call.Deadline = Deadlines.After(call.Call.Options.Timeout!.Value, () => OnTimeout(call));
    }

    public void OnEnded(PoolCall call, OutcomeKind kind, ReadOnlyMemory<byte> payload)
    {
        if (call.TimedOut)
        {
            Fail(call, TimedOut(call));
            return;
        }

        if (!dispatcher.TrySettle(call))
            return;
        if (kind == OutcomeKind.Result)
            counters.CountCompleted();
        else if (kind == OutcomeKind.Canceled && call.Call.Token.IsCancellationRequested)
            counters.CountCanceled();
        else
            counters.CountFailed();
        CallOutcome.Complete(call.Call, kind, payload);
    }

    /// <summary>The worker's process ended while it had the call.</summary>
    public void OnCrashed(PoolCall call, WorkerExit exit)
    {
        if (call.TimedOut)
        {
            Fail(call, TimedOut(call));
            return;
        }

        if (call.CancelRequested)
        {
            Cancel(call);
            return;
        }

        TimeSpan ran = call.StartedAt == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(call.StartedAt);
        string why = exit.Reason is null ? "" : $", because {exit.Reason}";
        string lines = exit.LastErrorLines.Count == 0 ? "" : $" Its last lines on standard error: {string.Join(" | ", exit.LastErrorLines)}";
        string state = call.StartedAt == 0 ? $"while it read {call.Call.Name}" : $"while it ran {call.Call.Name}, after {ran.TotalMilliseconds:N0} ms";
        Fail(call, new WorkerCrashedException($"The worker (process {exit.ProcessId}) {exit.Describe()} {state}{why}.{lines}", exit, ran));
    }

    public void Fail(PoolCall call, Exception exception)
    {
        if (!dispatcher.TrySettle(call))
            return;
        counters.CountFailure(exception);
        call.Call.SetException(exception);
    }

    public void Cancel(PoolCall call)
    {
        if (!dispatcher.TrySettle(call))
            return;
        counters.CountCanceled();
        call.Call.SetCanceled();
    }

    private static CallTimeoutException TimedOut(PoolCall call)
    {
        TimeSpan limit = call.Call.Options.Timeout!.Value;
        return new CallTimeoutException($"{call.Call.Name} ran longer than its timeout of {limit.TotalSeconds:0.###} s.", limit);
    }

    private void OnCallerCancels(PoolCall call)
    {
        switch (dispatcher.RequestCancel(call))
        {
            case PoolCallState.Queued:
                Cancel(call);
                break;
            case PoolCallState.Sent or PoolCallState.Started:
                GiveGrace(call, () =>
                {
                    dispatcher.KillWorkerOf(call, $"{call.Call.Name} was cancelled and did not end within its grace");
                    Cancel(call);
                });
                break;
        }
    }

    // On the deadlines' thread.
    private void OnTimeout(PoolCall call)
    {
        if (!dispatcher.RequestTimeout(call))
            return;
        GiveGrace(call, () =>
        {
            dispatcher.KillWorkerOf(call, $"{call.Call.Name} ran longer than its timeout of {call.Call.Options.Timeout!.Value.TotalSeconds:0.###} s");
            Fail(call, TimedOut(call));
        });
    }

    private static void GiveGrace(PoolCall call, Action isOver)
    {
        if (call.Call.Options.Grace == TimeSpan.Zero)
            isOver();
        else
            call.Deadline = Deadlines.After(call.Call.Options.Grace, isOver);
    }
}
