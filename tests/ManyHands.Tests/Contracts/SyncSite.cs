namespace ManyHands.Tests.Contracts;

/// <summary>Where the objects of a contract are: in shared memory, or with a manager. What it has made it disposes of.</summary>
public abstract class SyncSite : IAsyncDisposable
{
    private readonly List<IDisposable> made = [];

    /// <summary>How many random sequences of steps are worth their time here.</summary>
    public virtual int Sequences => 200;

    public ISharedLock Lock(bool isReentrant = false) => Keep(MakeLock(isReentrant));

    public ISharedSemaphore Semaphore(int initial, int maximum) => Keep(MakeSemaphore(initial, maximum));

    public ISharedEvent Event(SharedEventMode mode = SharedEventMode.ManualReset, bool isSet = false) => Keep(MakeEvent(mode, isSet));

    public ISharedCondition Condition(bool isReentrant = false)
    {
        ISharedCondition condition = Keep(MakeCondition(isReentrant));
        Keep(condition.Lock);
        return condition;
    }

    public ISharedBarrier Barrier(int parties) => Keep(MakeBarrier(parties));

    public virtual ValueTask StartAsync() => default;

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (IDisposable one in made)
            one.Dispose();
        return default;
    }

    protected abstract ISharedLock MakeLock(bool isReentrant);

    protected abstract ISharedSemaphore MakeSemaphore(int initial, int maximum);

    protected abstract ISharedEvent MakeEvent(SharedEventMode mode, bool isSet);

    protected abstract ISharedCondition MakeCondition(bool isReentrant);

    protected abstract ISharedBarrier MakeBarrier(int parties);

    private T Keep<T>(T one)
        where T : IDisposable
    {
        made.Add(one);
        return one;
    }
}

/// <summary>In shared memory.</summary>
public sealed class SharedMemorySite : SyncSite
{
    protected override ISharedLock MakeLock(bool isReentrant) => new SharedLock(isReentrant);

    protected override ISharedSemaphore MakeSemaphore(int initial, int maximum) => new SharedSemaphore(initial, maximum);

    protected override ISharedEvent MakeEvent(SharedEventMode mode, bool isSet) => new SharedEvent(mode, isSet);

    protected override ISharedCondition MakeCondition(bool isReentrant) => new SharedCondition(new SharedLock(isReentrant));

    protected override ISharedBarrier MakeBarrier(int parties) => new SharedBarrier(parties);
}
