using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Transport;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <content>When workers start, what they are replaced for, and what becomes of their calls when they end.</content>
internal sealed partial class Dispatcher
{
    private const int MostFailedStarts = 3;
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MemoryCheckInterval = TimeSpan.FromMilliseconds(50);
    private static int lastPool;

    private readonly string name = $"Pool-{Interlocked.Increment(ref lastPool)}";
    private readonly WorkerSettings settings;
    private readonly List<PoolWorker> workers = [];
    private readonly TaskCompletionSource allGone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? allReady;
    private PoolBrokenException? broken;
    private Deadline? idleLook;
    private bool ending;
    private bool backingOff;
    private int starting;
    private int leaving;
    private int failedStarts;
    private long started;
    private long lost;
    private long recycled;

    /// <summary>Those that take calls, or will.</summary>
    private int ActiveCount => workers.Count - leaving;

    private int MostProcesses => limit + options.SpareWorkers;

    private int FewestIdle => Math.Max(options.MinWorkers, options.SpareWorkers);

    /// <summary>Lets all workers end, kills those that don't within the time, and returns at the latest a moment after that.</summary>
    public async Task EndWorkers(TimeSpan time)
    {
        foreach (WorkerLink link in End())
            link.Shutdown(time);
        await allGone.Task.WaitAsync(time + time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        initializer?.ReleasePayload();
    }

    /// <summary>Kills all workers, once all calls that have no outcome were settled: what killing does to them comes too late.</summary>
    public void KillWorkers(string why, Action<PoolCall> settle)
    {
        List<PoolCall> left;
        WorkerLink[] links = End();
        lock (gate)
        {
            left = [.. queue, .. returned, .. workers.SelectMany(worker => worker.Calls)];
            queue.Clear();
            returned.Clear();
        }

        left.ForEach(settle);
        foreach (WorkerLink link in links)
            link.Kill(why);
    }

    public Task StartAll()
    {
        lock (gate)
        {
            if (broken is not null)
                throw new PoolBrokenException(ExceptionText.MessageOf(broken), broken.InnerException);
            while (!ending && ActiveCount < MostProcesses)
                StartOne();
            allReady ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Task ready = allReady.Task;
            CheckAllReady();
            return ready;
        }
    }

    public void OnReady(PoolWorker worker)
    {
        lock (gate)
        {
            if (worker.IsGone)
                return;
            worker.IsReady = true;
            worker.ReadyAt = Stopwatch.GetTimestamp();
            starting--;
            failedStarts = 0;
        }

        Feed(worker);
        lock (gate)
            CheckAllReady();
    }

    public void OnGone(PoolWorker worker, WorkerGone gone)
    {
        List<(PoolCall Call, TimeSpan? RanFor)> crashed = [];
        List<PoolCall> canceled = [];
        List<PoolCall> unserved = [];
        PoolCall[] had;
        lock (worker.Feeding)
        {
            lock (gate)
            {
                if (worker.IsGone)
                    return;
                worker.IsGone = true;
                workers.Remove(worker);
                if (!worker.IsReady)
                    starting--;
                if (worker.IsLeaving)
                    leaving--;
                else if (!ending)
                    lost++;
                had = [.. worker.Calls];
                SettleCallsOf(worker, crashed, canceled);
                Replace(gone, worker, unserved);
            }
        }

        foreach ((PoolCall call, TimeSpan? ranFor) in crashed)
        {
            try
            {
                pool.OnCrashed(call, gone.Exit!, ranFor);
            }
            catch (Exception unforeseen)
            {
                // Each has its outcome, whatever becomes of another's.
                pool.Fail(call, CallOutcome.Unforeseen(call.Name, unforeseen));
            }
        }

        foreach (PoolCall call in canceled)
            pool.Cancel(call);
        foreach (PoolCall call in unserved)
            pool.Fail(call, new PoolBrokenException(ExceptionText.MessageOf(broken), broken!.InnerException));
        foreach (PoolCall call in had)
            AfterSettled(call);
        FeedAll();
    }

    /// <summary>All that the worker sent before its end was read: what it had started and not answered is lost, what it had not started goes to others.</summary>
    private void SettleCallsOf(PoolWorker worker, List<(PoolCall Call, TimeSpan? RanFor)> crashed, List<PoolCall> canceled)
    {
        StartedCall last = worker.Link.Started;

        // A word that makes no sense tells nothing; then everything may have run, and nothing may run again.
        bool isPlausible = last.Sequence >= 0 && last.Sequence < worker.NextSequence;
        foreach (PoolCall call in worker.Calls)
        {
            call.Worker = null;
            if (call.State == PoolCallState.Done)
                continue;
            if (call.Ended == call.Count)
                continue;
            if (!isPlausible || last.Sequence >= call.First + call.Ended)
            {
                if (!call.TimedOut && !call.CancelRequested && !ending && call.Crashes < call.Options.Retries)
                {
                    call.Crashes++;
                    PutBack(call);
                }
                else
                {
                    crashed.Add((call, isPlausible ? Stopwatch.GetElapsedTime(last.At) : TimeSpan.Zero));
                }
            }
            else if (call.CancelRequested)
            {
                canceled.Add(call);
            }
            else if (++call.Returns >= MostReturns)
            {
                crashed.Add((call, null));
            }
            else
            {
                PutBack(call);
            }
        }

        if (worker.Calls.Count > 0)
            busy--;
        worker.Calls.Clear();
        Volatile.Write(ref worker.First, null);
    }

    private void Replace(WorkerGone gone, PoolWorker worker, List<PoolCall> unserved)
    {
        if (ending)
        {
            if (workers.Count == 0)
                allGone.TrySetResult();
        }
        else if (worker.IsLeaving)
        {
            StartIfNeeded();
        }
        else if (gone.WasReady)
        {
            // Also while the pool is closing: what it has accepted still has to run.
            if (!closed || QueuedCount > 0)
                StartOne();
        }
        else if (++failedStarts >= MostFailedStarts && !workers.Exists(one => one.IsReady))
        {
            broken = WhyBroken(gone);
            unserved.AddRange(queue);
            unserved.AddRange(returned);
            queue.Clear();
            returned.Clear();
            allReady?.TrySetException(broken);
        }
        else
        {
            StartLater();
        }
    }

    private static PoolBrokenException WhyBroken(WorkerGone gone)
    {
        string lines = gone.Exit is { LastErrorLines.Count: > 0 } ? $" Its last lines on standard error: {string.Join(" | ", gone.Exit.LastErrorLines)}" : "";
        string why = gone switch
        {
            { Exit: null } => $"its process could not be started: {ExceptionText.MessageOf(gone.Failure!)}",
            { Failure: { } failure } => $"its initializer threw {failure.GetType().Name}: {ExceptionText.MessageOf(failure)}",
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
            idleLook?.Cancel();
            if (workers.Count == 0)
                allGone.TrySetResult();
            return [.. workers.Select(worker => worker.Link)];
        }
    }

    private void StartIfNeeded()
    {
        while (!ending && broken is null && !backingOff && ActiveCount < MostProcesses && IsOneMoreNeeded())
            StartOne();

        // Those that start, and those that wait, must do for what is queued and for the spares.
        bool IsOneMoreNeeded() => options.SpareWorkers == 0
            ? starting < QueuedCount
            : ActiveCount - busy < options.SpareWorkers + Math.Min(QueuedCount, limit - busy);
    }

    private void StartOne()
    {
        if (ending || broken is not null || ActiveCount >= MostProcesses)
            return;
        started++;
        starting++;
        PoolWorker worker = new(this, settings with { Name = $"{name}-Process-{started}" }, options.SentAhead);
        workers.Add(worker);
        worker.Link.Start();
    }

    private void StartLater()
    {
        if (backingOff)
            return;
        backingOff = true;
        Deadlines.After(BackOff(failedStarts), StartAgain, failed: _ => StartAgain());
    }

    /// <summary>How long to wait before a worker is started again, after so many in a row that could not start.</summary>
    internal static TimeSpan BackOff(int failedStarts)
    {
        TimeSpan time = FirstBackOff * Math.Pow(2, Math.Min(failedStarts, 10));
        return time < LongestBackOff ? time : LongestBackOff;
    }

    private void StartAgain()
    {
        lock (gate)
        {
            backingOff = false;
            if (allReady is not null && !allReady.Task.IsCompleted)
            {
                while (!ending && broken is null && ActiveCount < MostProcesses)
                    StartOne();
            }

            StartIfNeeded();
        }
    }

    private void CheckAllReady()
    {
        if (allReady is not null && ActiveCount >= MostProcesses && workers.TrueForAll(worker => worker.IsReady || worker.IsLeaving))
        {
            allReady.TrySetResult();
            allReady = null;
            foreach (PoolWorker worker in workers.Where(worker => worker.IsIdle))
                worker.IdleSince = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Whether a worker has done its part: then it gets no more calls, and goes when its last has ended.</summary>
    private bool MustLeave(PoolWorker worker)
    {
        if (worker.IsUnwell)
            return true;
        if (options.MaxCallsPerWorker is { } most && worker.NextSequence - WorkerLink.FirstSequence >= most)
            return true;
        if (options.MaxWorkerAge is { } oldest && Stopwatch.GetElapsedTime(worker.ReadyAt) >= oldest)
            return true;
        if (options.RecycleMemory is not { } largest || worker.Calls.Count > 0 || Stopwatch.GetElapsedTime(worker.MemoryCheckedAt) < MemoryCheckInterval)
            return false;
        worker.MemoryCheckedAt = Stopwatch.GetTimestamp();
        return worker.Link.ResidentMemory > largest;
    }

    private void Retire(PoolWorker worker, bool isRecycled)
    {
        if (isRecycled)
            FaultPoint.Reach(FaultStep.RecycleDecided);
        worker.IsLeaving = true;
        leaving++;
        worker.Link.Shutdown(within: ProcessPool.EndTime);
        if (!isRecycled)
            return;
        recycled++;

        // Its successor starts while it ends.
        if (!closed || QueuedCount > 0)
            StartOne();
    }

    private void BecomeIdle(PoolWorker worker)
    {
        worker.IsIdle = true;
        worker.IdleSince = Stopwatch.GetTimestamp();
        idle.Push(worker);
        if (idleLook is null && !ending && options.IdleTimeout != Timeout.InfiniteTimeSpan && ActiveCount > FewestIdle)
            LookForIdleIn(options.IdleTimeout);
    }

    private void LookForIdleIn(TimeSpan time) => idleLook = Deadlines.After(time, EndIdleWorkers, failed: _ =>
    {
        lock (gate)
            LookForIdleIn(options.IdleTimeout);
    });

    // On the deadlines' thread.
    private void EndIdleWorkers()
    {
        lock (gate)
        {
            idleLook = null;
            if (ending)
                return;
            if (allReady is { Task.IsCompleted: false })
            {
                // Whoever waits for all to be ready would wait for ever, if those that were first went meanwhile.
                LookForIdleIn(options.IdleTimeout);
                return;
            }

            TimeSpan next = Timeout.InfiniteTimeSpan;
            foreach (PoolWorker worker in workers.Where(worker => worker.IsIdle).OrderBy(worker => worker.IdleSince).ToArray())
            {
                if (ActiveCount <= FewestIdle)
                    break;
                TimeSpan left = options.IdleTimeout - Stopwatch.GetElapsedTime(worker.IdleSince);
                if (left > TimeSpan.Zero)
                {
                    next = left;
                    break;
                }

                worker.IsIdle = false;
                Retire(worker, isRecycled: false);
            }

            if (next != Timeout.InfiniteTimeSpan)
                LookForIdleIn(next);
        }
    }
}
