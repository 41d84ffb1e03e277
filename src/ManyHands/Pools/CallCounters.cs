namespace ManyHands.Pools;

/// <summary>Counts how calls end, for <see cref="PoolStatistics"/>.</summary>
internal sealed class CallCounters
{
    private long completed;
    private long failed;
    private long canceled;
    private long timedOut;
    private long crashed;

    public void CountCompleted(int count = 1) => Interlocked.Add(ref completed, count);

    public void CountFailed() => Interlocked.Increment(ref failed);

    public void CountCanceled() => Interlocked.Increment(ref canceled);

    public void CountFailure(Exception exception)
    {
        switch (exception)
        {
            case CallTimeoutException:
                Interlocked.Increment(ref timedOut);
                break;
            case WorkerCrashedException:
                Interlocked.Increment(ref crashed);
                break;
            default:
                CountFailed();
                break;
        }
    }

    public PoolStatistics Snapshot(
        string engine, int limit, IReadOnlyList<PoolWorkerStatistics> workers, long queued, long running, long started, long lost) => new()
        {
            Engine = engine,
            WorkerLimit = limit,
            Workers = workers,
            QueuedCalls = queued,
            RunningCalls = running,
            CompletedCalls = Interlocked.Read(ref completed),
            FailedCalls = Interlocked.Read(ref failed),
            CanceledCalls = Interlocked.Read(ref canceled),
            TimedOutCalls = Interlocked.Read(ref timedOut),
            CrashedCalls = Interlocked.Read(ref crashed),
            WorkersStarted = started,
            WorkersLost = lost,
        };
}
