using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>
/// Decides which worker gets which call, and when workers start. The hottest idle worker comes first; another is started only when there is more work than
/// workers; short calls are sent ahead, and taken back when one turns out long.
/// </summary>
internal sealed class Dispatcher(int limit, ProcessPoolOptions options, PendingCall? initializer, ProcessPool pool) : IWorkerLinkOwner
{
    private const int MostFailedStarts = 3;
    private const int MostReturns = 3;
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan HoldUp = TimeSpan.FromMilliseconds(5);
    private static int lastPool;

    private readonly string name = $"Pool-{Interlocked.Increment(ref lastPool)}";
    private readonly Lock gate = new();
    private readonly Dictionary<WorkerLink, PoolWorker> workers = [];
    private readonly Stack<PoolWorker> idle = new();
    private readonly Queue<PoolCall> queue = new();
    private readonly Queue<PoolCall> returned = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource allGone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? allReady;
    private PoolBrokenException? broken;
    private bool closed;
    private bool ending;
    private int unsettled;
    private int starting;
    private int failedStarts;
    private bool backingOff;
    private long started;
    private long lost;
    private int deepest = 1;

    public bool IsClosed => Volatile.Read(ref closed);

    /// <summary>Enough for every worker to have its depth and the same again waiting.</summary>
    public int MapWidth => limit * (1 + Volatile.Read(ref deepest));

    private int QueuedCount => queue.Count + returned.Count;

    public bool TryEnqueue(PoolCall call, out PoolBrokenException? reason)
    {
        PoolWorker? worker;
        lock (gate)
        {
            reason = broken;
            if (closed || broken is not null)
                return false;
            unsettled++;
            if (TryTakeIdle(out worker))
            {
                Assign(call, worker);
            }
            else
            {
                queue.Enqueue(call);
                StartIfNeeded();
                worker = null;
            }
        }

        if (worker is not null)
            Send(call, worker);
        return true;
    }

    /// <summary>Remembers how to forget about the caller's token; false if the call is over already.</summary>
    public bool KeepRegistration(PoolCall call, CancellationTokenRegistration registration)
    {
        lock (gate)
        {
            if (call.State == PoolCallState.Done)
                return false;
            call.Registration = registration;
            return true;
        }
    }

    /// <summary>The first to settle a call may tell its caller; all others come too late.</summary>
    public bool TrySettle(PoolCall call)
    {
        lock (gate)
        {
            if (call.State == PoolCallState.Done)
                return false;
            call.State = PoolCallState.Done;
            call.Deadline?.Cancel();
            if (--unsettled == 0 && closed)
                drained.TrySetResult();
        }

        call.Registration.Unregister();
        call.Call.ReleasePayload();
        return true;
    }

    /// <summary>Passes a cancellation on to where the call is, and says where that is.</summary>
    public PoolCallState RequestCancel(PoolCall call)
    {
        PoolCallState state;
        WorkerLink? link;
        lock (gate)
        {
            state = call.State;
            if (state is PoolCallState.Done)
                return state;
            call.CancelRequested = true;
            link = call.Worker?.Link;
        }

        link?.Cancel(call.Call.Id);
        return state;
    }

    /// <summary>Asks a call whose time is over to stop; false if it has ended meanwhile.</summary>
    public bool RequestTimeout(PoolCall call)
    {
        WorkerLink link;
        lock (gate)
        {
            if (call.State != PoolCallState.Started)
                return false;
            call.TimedOut = true;
            link = call.Worker!.Link;
        }

        link.Cancel(call.Call.Id);
        return true;
    }

    /// <summary>Kills the worker that runs a call, unless the call has left it meanwhile.</summary>
    public void KillWorkerOf(PoolCall call, string why)
    {
        WorkerLink? link = null;
        lock (gate)
        {
            if (call.Worker is { } worker && worker.Running == call)
                link = worker.Link;
        }

        link?.Kill(why);
    }

    /// <summary>Takes no more calls. The task ends when the last accepted one is settled.</summary>
    public Task Close()
    {
        lock (gate)
        {
            closed = true;
            if (unsettled == 0)
                drained.TrySetResult();
            allReady?.TrySetException(new ObjectDisposedException(nameof(Pool), "The pool was closed while its workers started."));
        }

        return drained.Task;
    }

    /// <summary>Lets all workers end, kills those that don't within the time, and returns at the latest a moment after that.</summary>
    public async Task EndWorkers(TimeSpan time)
    {
        foreach (WorkerLink link in End())
            link.Shutdown(time);
        await allGone.Task.WaitAsync(time + time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        initializer?.ReleasePayload();
    }

    /// <summary>Kills all workers; returns all calls that had no outcome.</summary>
    public List<PoolCall> KillWorkers(string why)
    {
        List<PoolCall> left;
        WorkerLink[] links = End();
        lock (gate)
        {
            left = [.. queue, .. returned, .. workers.Values.SelectMany(worker => worker.Calls.Values)];
            queue.Clear();
            returned.Clear();
        }

        foreach (WorkerLink link in links)
            link.Kill(why);
        return left;
    }

    public Task StartAll()
    {
        lock (gate)
        {
            if (broken is not null)
                throw new PoolBrokenException(broken.Message, broken.InnerException);
            while (workers.Count < limit)
                StartOne();
            allReady ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Task ready = allReady.Task;
            CheckAllReady();
            return ready;
        }
    }

    public PoolStatistics Snapshot(CallCounters counters)
    {
        lock (gate)
        {
            PoolWorkerStatistics[] snapshot = [.. workers.Values.Select(worker => new PoolWorkerStatistics
            {
                Name = worker.Link.Name,
                Id = worker.Link.ProcessId,
                IsBusy = worker.Calls.Count > 0,
                CurrentCall = worker.Running?.Call.Name,
                EndedCalls = worker.EndedCalls,
            })];
            return counters.Snapshot(
                "processes",
                limit,
                snapshot,
                queue.Count(call => call.State == PoolCallState.Queued) + returned.Count(call => call.State == PoolCallState.Queued),
                workers.Values.Sum(worker => worker.Calls.Count),
                started,
                lost);
        }
    }

    void IWorkerLinkOwner.OnSpawned(WorkerLink link)
    {
    }

    void IWorkerLinkOwner.OnReady(WorkerLink link)
    {
        lock (gate)
        {
            if (!workers.TryGetValue(link, out PoolWorker? worker))
                return;
            worker.IsReady = true;
            starting--;
            failedStarts = 0;
            CheckAllReady();
        }

        Feed(link);
    }

    void IWorkerLinkOwner.OnStarted(WorkerLink link, long id)
    {
        PoolCall? call;
        lock (gate)
        {
            if (!workers.TryGetValue(link, out PoolWorker? worker) || !worker.Calls.TryGetValue(id, out call))
                return;
            worker.Running = call;
            call.StartedAt = Stopwatch.GetTimestamp();
            if (call.State == PoolCallState.Done)
                return;
            call.State = PoolCallState.Started;
        }

        pool.OnStarted(call);
    }

    void IWorkerLinkOwner.OnEnded(WorkerLink link, long id, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime)
    {
        PoolCall? call;
        lock (gate)
        {
            if (!workers.TryGetValue(link, out PoolWorker? worker) || !worker.Calls.Remove(id, out call))
                return;
            if (worker.Running == call)
                worker.Running = null;
            worker.CountEnded(runTime);
            if (worker.Depth != deepest)
                Volatile.Write(ref deepest, workers.Values.Max(one => one.Depth));
        }

        // The next call is on its way before this one's caller is told.
        Feed(link);
        pool.OnEnded(call, kind, payload);
    }

    void IWorkerLinkOwner.OnProgress(WorkerLink link, long id, int receiver, ReadOnlyMemory<byte> value)
    {
        PoolCall? call;
        lock (gate)
        {
            if (!workers.TryGetValue(link, out PoolWorker? worker) || !worker.Calls.TryGetValue(id, out call))
                return;
        }

        call.Call.Report(receiver, value);
    }

    void IWorkerLinkOwner.OnReturned(WorkerLink link, long id)
    {
        PoolCall? call;
        lock (gate)
        {
            if (!workers.TryGetValue(link, out PoolWorker? worker) || !worker.Calls.Remove(id, out call))
                return;
            PutBack(call);
        }

        if (call.CancelRequested)
            pool.Cancel(call);
        FeedAll();
    }

    void IWorkerLinkOwner.OnGone(WorkerLink link, WorkerGone gone)
    {
        PoolCall? crashed = null;
        List<PoolCall> settled = [];
        bool isBroken = false;
        lock (gate)
        {
            if (!workers.Remove(link, out PoolWorker? worker))
                return;
            if (!worker.IsReady)
                starting--;
            if (!ending)
                lost++;
            foreach (PoolCall call in worker.Calls.Values)
            {
                if (call.State == PoolCallState.Started)
                    crashed = call;
                else if (call.State == PoolCallState.Sent && (call.CancelRequested || ++call.Returns >= MostReturns))
                    settled.Add(call);
                else
                    PutBack(call);
            }

            worker.Calls.Clear();
            if (ending)
            {
                if (workers.Count == 0)
                    allGone.TrySetResult();
            }
            else if (gone.WasReady)
            {
                // Also while the pool is closing: what it has accepted still has to run.
                if (!closed || QueuedCount > 0)
                    StartOne();
            }
            else if (++failedStarts >= MostFailedStarts && !workers.Values.Any(one => one.IsReady))
            {
                broken = WhyBroken(gone);
                settled.AddRange(queue);
                settled.AddRange(returned);
                queue.Clear();
                returned.Clear();
                allReady?.TrySetException(broken);
                isBroken = true;
            }
            else
            {
                StartLater();
            }
        }

        if (crashed is not null)
            pool.OnCrashed(crashed, gone.Exit!);
        foreach (PoolCall call in settled)
        {
            if (call.CancelRequested)
                pool.Cancel(call);
            else if (isBroken)
                pool.Fail(call, new PoolBrokenException(broken!.Message, broken.InnerException));
            else
                pool.OnCrashed(call, gone.Exit!);
        }

        FeedAll();
    }

    private static PoolBrokenException WhyBroken(WorkerGone gone)
    {
        string lines = gone.Exit is { LastErrorLines.Count: > 0 } ? $" Its last lines on standard error: {string.Join(" | ", gone.Exit.LastErrorLines)}" : "";
        string why = gone switch
        {
            { Exit: null } => $"its process could not be started: {gone.Failure!.Message}",
            { Failure: { } failure } => $"its initializer threw {failure.GetType().Name}: {failure.Message}",
            { Exit.Reason: { } reason } => reason,
            _ => $"its process {gone.Exit.Describe()} before it was ready.",
        };
        return new PoolBrokenException($"{MostFailedStarts} workers in a row could not start. Of the last one: {why}{lines}", gone.Failure);
    }

    // From here on workers that go are not replaced.
    private WorkerLink[] End()
    {
        lock (gate)
        {
            ending = true;
            if (workers.Count == 0)
                allGone.TrySetResult();
            return [.. workers.Keys];
        }
    }

    private bool TryTakeIdle([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PoolWorker? worker)
    {
        while (idle.TryPop(out worker))
        {
            if (workers.ContainsKey(worker.Link) && worker.Calls.Count == 0)
                return true;
        }

        return false;
    }

    private static void Assign(PoolCall call, PoolWorker worker)
    {
        call.State = PoolCallState.Sent;
        call.Worker = worker;
        worker.Calls.Add(call.Call.Id, call);
    }

    // Outside the gate: sending is a system call.
    private void Send(PoolCall call, PoolWorker worker)
    {
        bool sent;
        try
        {
            sent = worker.Link.Send(call.Call);
        }
        catch (InvalidOperationException) when (call.Call.IsCompleted)
        {
            // It was settled between its assignment and here, and its payload given back.
            sent = false;
        }

        if (sent)
        {
            // A cancellation that came before the worker had the call found nothing there to cancel.
            if (call.CancelRequested)
                worker.Link.Cancel(call.Call.Id);
            return;
        }

        // The worker is gone or going; OnGone settles what it finds, unless it ran before the assignment.
        lock (gate)
        {
            if (!worker.Calls.Remove(call.Call.Id))
                return;
            PutBack(call);
        }

        FeedAll();
    }

    private void PutBack(PoolCall call)
    {
        call.Worker = null;
        if (call.State is PoolCallState.Done)
            return;
        call.State = PoolCallState.Queued;
        call.StartedAt = 0;
        returned.Enqueue(call);
    }

    private void Feed(WorkerLink link)
    {
        while (true)
        {
            PoolWorker? worker;
            PoolCall? next;
            lock (gate)
            {
                if (!workers.TryGetValue(link, out worker) || !worker.IsReady)
                    return;

                // Ahead only the worker's fair share, so that none waits behind another while a worker is about to be free.
                int most = Math.Min(worker.Depth, 1 + (QueuedCount / workers.Count));
                if (worker.Calls.Count >= most || (worker.Calls.Count > 0 && IsHeldUp(worker)) || !TryTakeQueued(out next))
                {
                    if (worker.Calls.Count == 0)
                        idle.Push(worker);
                    return;
                }

                Assign(next, worker);
                if (worker.Calls.Count > 1)
                    Watch(worker);
            }

            Send(next, worker);
        }
    }

    private void FeedAll()
    {
        while (true)
        {
            WorkerLink link;
            lock (gate)
            {
                if (QueuedCount == 0)
                    return;
                StartIfNeeded();
                if (!TryTakeIdle(out PoolWorker? worker))
                    return;
                link = worker.Link;
            }

            Feed(link);
        }
    }

    private bool TryTakeQueued([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PoolCall? call)
    {
        while (returned.TryDequeue(out call) || queue.TryDequeue(out call))
        {
            if (call.State == PoolCallState.Queued)
                return true;
        }

        return false;
    }

    // A call that was expected to be short and isn't: what was sent behind it goes to others.
    private void Watch(PoolWorker worker)
    {
        if (worker.IsWatched)
            return;
        worker.IsWatched = true;
        Deadlines.After(HoldUp, () =>
        {
            WorkerLink? recall = null;
            lock (gate)
            {
                worker.IsWatched = false;
                if (worker.Calls.Count < 2)
                    return;
                if (IsHeldUp(worker))
                    recall = worker.Link;
                else
                    Watch(worker);
            }

            recall?.Recall();
        });
    }

    private static bool IsHeldUp(PoolWorker worker) => worker.RunningFor >= HoldUp;

    private void StartIfNeeded()
    {
        while (!ending && broken is null && !backingOff && workers.Count < limit && starting < QueuedCount)
            StartOne();
    }

    private void StartOne()
    {
        if (ending || broken is not null || workers.Count >= limit)
            return;
        started++;
        starting++;
        WorkerLink link = new(
            new WorkerSettings
            {
                Name = $"{name}-Process-{started}",
                Environment = options.Environment,
                WorkingDirectory = options.WorkingDirectory,
                Output = options.Output,
                StartTimeout = options.StartTimeout,
                Initializer = initializer,
                Portable = options.Portable,
            },
            this);
        workers.Add(link, new PoolWorker { Link = link });
        link.Start();
    }

    private void StartLater()
    {
        if (backingOff)
            return;
        backingOff = true;
        Deadlines.After(FirstBackOff * (1 << failedStarts), () =>
        {
            lock (gate)
            {
                backingOff = false;
                if (allReady is not null && !allReady.Task.IsCompleted)
                {
                    while (!ending && workers.Count < limit)
                        StartOne();
                }

                StartIfNeeded();
            }
        });
    }

    private void CheckAllReady()
    {
        if (allReady is not null && workers.Count >= limit && workers.Values.All(worker => worker.IsReady))
        {
            allReady.TrySetResult();
            allReady = null;
        }
    }
}
