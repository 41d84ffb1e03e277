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
    /// <summary>How long a worker may take to end that has nothing more to do.</summary>
    public static readonly TimeSpan EndTime = TimeSpan.FromSeconds(2);

    private readonly int limit;
    private readonly ProcessPoolOptions options;
    private readonly CallCounters counters = new();
    private readonly Dispatcher dispatcher;
    private readonly SegmentPool? segments;

    public ProcessPool(int limit, ProcessPoolOptions options)
    {
        this.limit = limit;
        this.options = options;
        _ = RuntimeLayout.Current;
        PendingCall? initializer = options.Initializer is { } function
            ? CallEncoder.EncodeForProcess(new Call<Arguments, NoResult>(function, default, new CallOptions { Name = "The pool's initializer" }))
            : null;
        if (!options.Portable && options.Transport != WorkerTransport.Sockets)
            segments = SegmentPool.CreateIfSupported();
        dispatcher = new Dispatcher(limit, options, initializer, segments, this);
    }

    /// <summary>Where large payloads are; null if they have no place of their own.</summary>
    internal SegmentPool? Segments => segments;

    public override PoolStatistics Statistics => dispatcher.Snapshot(counters);

    /// <summary>How many items of a map travel together; null for what the map learns.</summary>
    internal int? ItemsPerBatch => options.SentAhead;

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
        segments?.Dispose();
    }

    public override void Kill()
    {
        _ = dispatcher.Close();
        dispatcher.KillWorkers("the pool was closed", call => Fail(call, Closed()));
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (dispatcher.IsClosed)
            throw Closed();
        PendingCall<TResult> pending = CallEncoder.EncodeForProcess(call, segments);
        if (pending.Token.IsCancellationRequested)
        {
            pending.ReleasePayload();
            counters.CountCanceled();
            return Task.FromCanceled<TResult>(pending.Token);
        }

        SinglePoolCall pooled = new(pending);
        if (Enqueue(pooled, callerCanLook: true) is { } worker)
            worker.Look(pending);
        return pending.Task;
    }

    internal override IAsyncEnumerable<TResult> StartMap<T, TResult>(Delegate function, MapSource<T> source, CallOptions? options, bool inOrder, CancellationToken token) =>
        new BatchedMap<T, TResult>(this, segments, function, source, options, inOrder, token);

    /// <summary>Takes a call, and sends it if a worker is idle. The one returned is worth looking at for the outcome.</summary>
    /// <exception cref="ObjectDisposedException">The pool is closed.</exception>
    /// <exception cref="PoolBrokenException">Its workers can't start.</exception>
    public WorkerLink? Enqueue(PoolCall call, bool callerCanLook = false)
    {
        if (!dispatcher.TryEnqueue(call, callerCanLook, out PoolBrokenException? broken, out WorkerLink? sentTo))
        {
            call.ReleasePayload();
            throw broken is not null ? new PoolBrokenException(ExceptionText.MessageOf(broken), broken.InnerException) : Closed();
        }

        FollowToken(call);
        return sentTo;
    }

    /// <summary>Part of a call has become a call of its own.</summary>
    public void OnSplitOff(PoolCall call)
    {
        FaultPoint.Reach(FaultStep.SplitOff);
        FollowToken(call);
    }

    /// <summary>It is about to be sent. Its time counts from its start in the worker, which isn't known yet.</summary>
    public void StartTimeout(PoolCall call) =>
        dispatcher.KeepDeadline(call, Deadlines.After(call.Options.Timeout!.Value, () => OnTimeout(call), failed: unforeseen => FailAtDeadline(call, unforeseen)), isGrace: false);

    /// <summary>The last outcome of a call came, or the first that isn't a result. It counts as settled, unless its time was over.</summary>
    public void OnEnded(PoolCall call, int index, OutcomeKind kind, ReadOnlyMemory<byte> payload)
    {
        if (call.TimedOut)
        {
            Fail(call, TimedOut(call));
            return;
        }

        try
        {
            if (kind == OutcomeKind.Result)
                OnAllCompleted(call);
            else if (kind == OutcomeKind.Canceled && call.Token.IsCancellationRequested)
                counters.CountCanceled();
            else
                counters.CountFailed();
            call.Complete(index, kind, payload);
        }
        catch (Exception unforeseen)
        {
            TellUnforeseen(call, unforeseen);
        }
    }

    /// <summary>All items of a call that is settled now have an outcome.</summary>
    public void OnAllCompleted(PoolCall call)
    {
        if (call.HasFailed)
            counters.CountFailed();
        else
            counters.CountCompleted(call.Count);
    }

    /// <summary>The worker's process ended while it had the call.</summary>
    /// <param name="call">The call.</param>
    /// <param name="exit">How the process ended.</param>
    /// <param name="ranFor">How long the call had run; null if it had not been started.</param>
    public void OnCrashed(PoolCall call, WorkerExit exit, TimeSpan? ranFor)
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

        string why = exit.Reason is null ? "" : $", because {exit.Reason}";
        string tries = call.Crashes == 0 ? "" : $" It was the call's attempt number {call.Crashes + 1}.";
        string state = ranFor is { } ran ? $"while it ran {call.Name}, after {ran.TotalMilliseconds:N0} ms" : $"while it read {call.Name}";
        Fail(call, new WorkerCrashedException($"The worker (process {exit.ProcessId}) {exit.Describe()} {state}{why}.{tries}{exit.Details()}", exit, ranFor ?? TimeSpan.Zero));
    }

    public void Fail(PoolCall call, Exception exception)
    {
        if (!dispatcher.TrySettle(call))
            return;
        try
        {
            counters.CountFailure(exception);
            call.Fail(exception);
        }
        catch (Exception unforeseen)
        {
            TellUnforeseen(call, unforeseen);
        }
    }

    public void Cancel(PoolCall call)
    {
        if (!dispatcher.TrySettle(call))
            return;
        try
        {
            counters.CountCanceled();
            call.Cancel();
        }
        catch (Exception unforeseen)
        {
            TellUnforeseen(call, unforeseen);
        }
    }

    /// <summary>A deadline of the call could not do its work: the call ends now, and so does its worker, which nobody would stop.</summary>
    public void FailAtDeadline(PoolCall call, Exception unforeseen)
    {
        dispatcher.KillWorkerWith(call, $"something unforeseen happened at a deadline of {call.Name}: {ExceptionText.MessageOf(unforeseen)}");
        Fail(call, CallOutcome.Unforeseen(call.Name, unforeseen));
    }

    // It is settled, so nobody else will tell its caller.
    private static void TellUnforeseen(PoolCall call, Exception unforeseen) => Guarded.Fail(
        GuardedEntry.Settling, call, unforeseen, static call => $"the outcome of {call.Name}, which fails", static (call, unforeseen) => call.Fail(CallOutcome.Unforeseen(call.Name, unforeseen)));

    private static CallTimeoutException TimedOut(PoolCall call)
    {
        TimeSpan limit = call.Options.Timeout!.Value;
        return new CallTimeoutException($"{call.Name} ran longer than its timeout of {limit.TotalSeconds:0.###} s.", limit);
    }

    private void FollowToken(PoolCall call)
    {
        try
        {
            RegisterCancellation(call);
        }
        catch (Exception unforeseen)
        {
            // A call of which nobody could ask any more to end.
            Guarded.Fail(GuardedEntry.CallCancellation, (Pool: this, Call: call), unforeseen, static one => one.Call.Name, static (one, unforeseen) => one.Pool.FailAtDeadline(one.Call, unforeseen));
        }
    }

    private void RegisterCancellation(PoolCall call)
    {
        if (!call.Token.CanBeCanceled)
            return;
        CancellationTokenRegistration registration = Guarded.OnCanceled(
            GuardedEntry.CallCancellation,
            call.Token,
            (Pool: this, Call: call),
            static one => one.Pool.OnCallerCancels(one.Call),
            static one => one.Call.Name,
            static (one, unforeseen) => one.Pool.FailAtDeadline(one.Call, unforeseen));
        if (!dispatcher.KeepRegistration(call, registration))
            registration.Unregister();
    }

    private void OnCallerCancels(PoolCall call)
    {
        switch (dispatcher.RequestCancel(call))
        {
            case PoolCallState.Queued:
                Cancel(call);
                break;
            case PoolCallState.Sent:
                GiveGrace(call, () =>
                {
                    dispatcher.KillWorkerOf(call, $"{call.Name} was cancelled and did not end within its grace");
                    Cancel(call);
                });
                break;
        }
    }

    // On the deadlines' thread.
    public void OnTimeout(PoolCall call)
    {
        if (!dispatcher.RequestTimeout(call))
            return;
        GiveGrace(call, () =>
        {
            dispatcher.KillWorkerOf(call, $"{call.Name} ran longer than its timeout of {call.Options.Timeout!.Value.TotalSeconds:0.###} s");
            Fail(call, TimedOut(call));
        });
    }

    private void GiveGrace(PoolCall call, Action isOver)
    {
        if (call.Options.Grace == TimeSpan.Zero)
            isOver();
        else
            dispatcher.KeepDeadline(call, Deadlines.After(call.Options.Grace, isOver, failed: unforeseen => FailAtDeadline(call, unforeseen)), isGrace: true);
    }
}
