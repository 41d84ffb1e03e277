namespace ManyHands.Tests.Managers;

/// <summary>What clients do with a manager's locks and the like, in processes of their own, until they are killed.</summary>
internal static class ManagerSyncWork
{
    /// <summary>Holds the lock until told to leave it.</summary>
    public static async Task HoldLockAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        using SharedLock.Scope scope = await client.GetLock("lock").EnterAsync();
        Gate.Open(ready);
        await Gate.WaitAsync(ready + "-leave");
    }

    /// <summary>Waits for the lock, which then is all it does.</summary>
    public static async Task WaitForLockAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        ValueTask<SharedLock.Scope> waiting = client.GetLock("lock").EnterAsync();
        Gate.Open(ready);
        await waiting;
        await Task.Delay(Timeout.Infinite);
    }

    /// <summary>Takes two permits and keeps them.</summary>
    public static async Task KeepPermitsAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        ISharedSemaphore semaphore = client.GetSemaphore("semaphore");
        await semaphore.WaitAsync();
        await semaphore.WaitAsync();
        Gate.Open(ready);
        await Task.Delay(Timeout.Infinite);
    }

    public static async Task WaitForEventAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        ValueTask waiting = client.GetEvent("event").WaitAsync();
        Gate.Open(ready);
        await waiting;
    }

    public static async Task WaitForConditionAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        ISharedCondition condition = client.GetCondition("condition");
        using SharedLock.Scope scope = await condition.Lock.EnterAsync();
        ValueTask waiting = condition.WaitAsync();
        Gate.Open(ready);
        await waiting;
    }

    public static async Task WaitAtBarrierAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        ValueTask<BarrierPassage> waiting = client.GetBarrier("barrier").SignalAndWaitAsync();
        Gate.Open(ready);
        await waiting;
    }

    /// <summary>Is the last to come to the barrier, and never ends its action.</summary>
    public static async Task ActAtBarrierAsync(int port, string key, string ready)
    {
        await using ManagerClient client = await ManagerWork.ConnectAsync(port, key);
        client.GetBarrier("barrier").SignalAndWait(() =>
        {
            Gate.Open(ready);
            Thread.Sleep(Timeout.Infinite);
        });
    }
}
