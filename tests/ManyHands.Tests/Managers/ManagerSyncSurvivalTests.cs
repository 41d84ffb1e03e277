using System.Diagnostics;
using System.Net;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Clients that die, stop or lose their connection while they hold a manager's lock, or wait for something of the kind: the living go on and are told.</summary>
public sealed class ManagerSyncSurvivalTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HolderKilled_TheNextIsTold_Once()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.Start();
        await using WorkerProcess holder = Start(ManagerSyncWork.HoldLockAsync, server, gate);
        await gate.WaitAsync();
        Assert.False(own.TryEnter(out _));
        Assert.False(own.IsHeldHere);
        Assert.Throws<SynchronizationLockException>(own.Exit);
        Task<SharedLock.Scope> waiter = own.EnterAsync(Token).AsTask();

        long killedAt = Stopwatch.GetTimestamp();
        holder.Kill();
        SharedLock.Scope scope = await waiter.InTime(Soon, Token);
        Assert.InRange(FairClock.Since(killedAt).TotalSeconds, 0, 2);
        Assert.Equal((true, true), (scope.WasAbandoned, own.WasAbandoned));
        scope.Dispose();
        Assert.True(own.TryEnter(out scope));
        Assert.False(scope.WasAbandoned);
        scope.Dispose();
    }

    [Fact]
    public async Task HolderStopped_IsNotRobbed()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.Start();
        await using WorkerProcess holder = Start(ManagerSyncWork.HoldLockAsync, server, gate);
        await gate.WaitAsync();
        await StopAsync(holder);
        Assert.False(own.TryEnter(TimeSpan.FromSeconds(2), out _, Token));
        Assert.Equal(0, Linux.Kill(holder.Id, Linux.Sigcont));
        Gate.Open(gate.Path + "-leave");
        Assert.True(own.TryEnter(Patience, out SharedLock.Scope scope, Token));
        Assert.False(scope.WasAbandoned);
        scope.Dispose();
        Assert.True(await holder.JoinAsync(Patience, Token));
    }

    [Fact]
    public async Task WaiterKilled_TheNextInLineEnters()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.Start();
        SharedLock.Scope held = own.Enter(Token);
        await using WorkerProcess doomed = Start(ManagerSyncWork.WaitForLockAsync, server, gate);
        await gate.WaitAsync();
        await UntilItWaits(server);
        Task<SharedLock.Scope> next = own.EnterAsync(Token).AsTask();
        doomed.Kill();
        await doomed.JoinAsync(Token);
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed");
        held.Dispose();
        SharedLock.Scope scope = await next.InTime(Soon, Token);
        Assert.False(scope.WasAbandoned);
        scope.Dispose();
    }

    [Fact]
    public async Task PermitsOfTheDead_Return()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedSemaphore own = server.RegisterSemaphore("semaphore", 3, 3);
        server.Start();
        await using WorkerProcess holder = Start(ManagerSyncWork.KeepPermitsAsync, server, gate);
        await gate.WaitAsync();
        own.Wait(Token);
        Assert.False(own.TryWait(TimeSpan.Zero, Token));
        Task waiter = own.WaitAsync(Token).AsTask();
        holder.Kill();
        await waiter.InTime(Soon, Token);
        Assert.Equal(1, own.CurrentCount);
        Assert.Equal(1, own.Release(2));
        Assert.Throws<SemaphoreFullException>(() => own.Release());
    }

    /// <summary>What was given back for another doesn't return a second time with its death.</summary>
    [Fact]
    public async Task PermitHandedOver_AndThenItsTakerDies_ReturnsNothingTwice()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedSemaphore own = server.RegisterSemaphore("semaphore", 2, 2);
        server.Start();
        await using WorkerProcess taker = Start(ManagerSyncWork.KeepPermitsAsync, server, gate);
        await gate.WaitAsync();
        own.Release();
        own.Wait(Token);
        taker.Kill();
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed");
        Assert.Equal(1, own.CurrentCount);
        own.Release();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PartyKilled_BreaksForTheOthers(bool inItsAction)
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedBarrier own = server.RegisterBarrier("barrier", inItsAction ? 2 : 3);
        server.Start();
        Task<BarrierPassage> other = own.SignalAndWaitAsync(null, Token).AsTask();
        await using WorkerProcess doomed = inItsAction ? Start(ManagerSyncWork.ActAtBarrierAsync, server, gate) : Start(ManagerSyncWork.WaitAtBarrierAsync, server, gate);
        await gate.WaitAsync();
        await Eventually.True(() => own.Waiting == 2, "both are there");
        doomed.Kill();
        await Assert.ThrowsAsync<BrokenBarrierException>(() => other.InTime(Soon, Token));
        Assert.True(own.IsBroken);
        own.Reset();
        BarrierPassage[] passages = await Task.WhenAll(Enumerable.Range(0, own.Parties).Select(_ => own.SignalAndWaitAsync(null, Token).AsTask())).InTime(Soon, Token);
        Assert.Equal(Enumerable.Range(0, own.Parties), passages.Select(passage => passage.Index).Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WaiterForACondition_Killed_NotificationsReachTheLiving(bool ownsLock)
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedCondition own = server.RegisterCondition("condition", ownsLock ? null : server.RegisterLock("lock"));
        server.Start();
        await using WorkerProcess doomed = Start(ManagerSyncWork.WaitForConditionAsync, server, gate);
        await gate.WaitAsync();
        await UntilItWaits(server);
        Task<bool> living = Task.Run(async () =>
        {
            using SharedLock.Scope scope = await own.Lock.EnterAsync(Token);
            return await own.TryWaitAsync(Patience, Token);
        });
        await Eventually.True(() => server.Statistics.Objects.Single(one => one.Name == "condition").Count == 2, "both wait");
        doomed.Kill();
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed");
        using (own.Lock.Enter(Token))
            own.Notify();
        Assert.True(await living.InTime(Soon, Token));
        Assert.True(own.Lock.TryEnter(out SharedLock.Scope after));
        Assert.False(after.WasAbandoned);
        after.Dispose();
    }

    /// <summary>Killed on its way back: it has the lock by then, and nobody who would leave it.</summary>
    [Fact]
    public async Task NotifiedAndKilled_TheNextIsTold()
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedCondition own = server.RegisterCondition("condition");
        server.Start();
        await using WorkerProcess doomed = Start(ManagerSyncWork.WaitForConditionAsync, server, gate);
        await gate.WaitAsync();
        await UntilItWaits(server);
        await StopAsync(doomed);
        using (own.Lock.Enter(Token))
            own.Notify();
        Assert.False(own.Lock.TryEnter(TimeSpan.FromMilliseconds(100), out _, Token));
        doomed.Kill();
        Assert.True(own.Lock.TryEnter(Soon, out SharedLock.Scope scope, Token));
        Assert.True(scope.WasAbandoned);
        scope.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WaiterForASignal_Killed_TheNextHasIt(bool onItsWay)
    {
        using Gate gate = new();
        await using ManagerServer server = new();
        ISharedEvent own = server.RegisterEvent("event", SharedEventMode.AutoReset);
        server.Start();
        await using WorkerProcess doomed = Start(ManagerSyncWork.WaitForEventAsync, server, gate);
        await gate.WaitAsync();
        await UntilItWaits(server);
        if (onItsWay)
        {
            // It is given the signal, and never reads that.
            await StopAsync(doomed);
            own.Set();
            Assert.False(own.IsSet);
            doomed.Kill();
        }
        else
        {
            doomed.Kill();
            await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed");
            own.Set();
        }

        Assert.True(own.TryWait(Soon, Token));
        Assert.False(own.TryWait(TimeSpan.Zero, Token));
    }

    /// <summary>A signal that has arrived is gone, also when its receiver ends at once.</summary>
    [Fact]
    public async Task SignalThatArrived_DoesNotReturn()
    {
        await using ManagerServer server = new();
        ISharedEvent own = server.RegisterEvent("event", SharedEventMode.AutoReset, isSet: true);
        server.Start();
        await using (ManagerClient client = await ConnectAsync(server.EndPoint, server))
            await client.GetEvent("event").WaitAsync(Token);
        await Eventually.True(() => server.Statistics.Clients.Count == 0, "the manager has noticed");
        Assert.False(own.IsSet);
    }

    [Fact]
    public async Task ConnectionCut_WhatWasHeldIsFree_AndTheClientKnows()
    {
        await using ManagerServer server = new();
        ISharedLock ownLock = server.RegisterLock("lock");
        ISharedSemaphore ownSemaphore = server.RegisterSemaphore("semaphore", 2, 2);
        server.Start();
        await using CuttableRelay relay = new(server.EndPoint);
        await using ManagerClient client = await ConnectAsync(relay.EndPoint, server);
        ISharedLock theLock = client.GetLock("lock");
        ISharedSemaphore semaphore = client.GetSemaphore("semaphore");
        SharedLock.Scope held = await theLock.EnterAsync(Token);
        await semaphore.WaitAsync(Token);
        Assert.Equal(1, ownSemaphore.CurrentCount);

        relay.Cut();
        Assert.True(ownLock.TryEnter(Soon, out SharedLock.Scope scope, Token));
        Assert.True(scope.WasAbandoned);
        await Eventually.True(() => client is { State: ManagerClientState.Connected, Reconnects: 1 }, "the client is there again");
        Assert.Equal((false, false), (theLock.IsHeldHere, theLock.WasAbandoned));
        Assert.Contains("connection", Assert.Throws<SynchronizationLockException>(theLock.Exit).Message, StringComparison.Ordinal);
        held.Dispose();
        Assert.True(ownLock.IsHeldHere);
        Assert.False(theLock.TryEnter(out _));
        scope.Dispose();
        using (SharedLock.Scope again = await theLock.EnterAsync(Token))
            Assert.False(again.WasAbandoned);

        // Its permit has come back, and two are others': giving it back must not make a third.
        await Eventually.True(() => ownSemaphore.CurrentCount == 2, "the permit has come back");
        ownSemaphore.Wait(Token);
        ownSemaphore.Wait(Token);
        Assert.Equal(0, semaphore.Release());
        Assert.Equal(0, ownSemaphore.CurrentCount);
        Assert.Equal(0, ownSemaphore.Release(2));
        await semaphore.WaitAsync(Token);
        Assert.Equal(1, semaphore.Release());
    }

    [Fact]
    public async Task ConnectionCut_WaitsForLockPermitAndSignalGoOn_AtConditionAndBarrierTheyFail()
    {
        await using ManagerServer server = new();
        ISharedLock ownLock = server.RegisterLock("lock");
        ISharedSemaphore ownSemaphore = server.RegisterSemaphore("semaphore", 0, 1);
        ISharedEvent ownEvent = server.RegisterEvent("event", SharedEventMode.AutoReset);
        ISharedCondition ownCondition = server.RegisterCondition("condition");
        ISharedBarrier ownBarrier = server.RegisterBarrier("barrier", 3);
        server.Start();
        await using CuttableRelay relay = new(server.EndPoint);
        await using ManagerClient client = await ConnectAsync(relay.EndPoint, server);
        ISharedCondition condition = client.GetCondition("condition");
        SharedLock.Scope held = await ownLock.EnterAsync(Token);
        SharedLock.Scope conditionHeld = await condition.Lock.EnterAsync(Token);
        Task<SharedLock.Scope> entering = client.GetLock("lock").EnterAsync(Token).AsTask();
        Task acquiring = client.GetSemaphore("semaphore").WaitAsync(Token).AsTask();
        Task awaiting = client.GetEvent("event").WaitAsync(Token).AsTask();
        Task waiting = condition.WaitAsync(Token).AsTask();
        Task<BarrierPassage> party = client.GetBarrier("barrier").SignalAndWaitAsync(null, Token).AsTask();
        Task<BarrierPassage> ownParty = ownBarrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => server.Statistics.Clients is [{ WaitingRequests: 5 }] && ownBarrier.Waiting == 2, "all wait");

        relay.Cut();
        await Assert.ThrowsAsync<ConnectionLostException>(() => waiting.InTime(Soon, Token));
        await Assert.ThrowsAsync<ConnectionLostException>(() => party.InTime(Soon, Token));
        await Assert.ThrowsAsync<BrokenBarrierException>(() => ownParty.InTime(Soon, Token));
        Assert.False(condition.Lock.IsHeldHere);
        conditionHeld.Dispose();
        await Eventually.True(() => server.Statistics.Clients is [{ WaitingRequests: 3 }], "the others wait again");
        held.Dispose();
        ownSemaphore.Release();
        ownEvent.Set();
        SharedLock.Scope entered = await entering.InTime(Soon, Token);
        Assert.True(client.GetLock("lock").IsHeldHere);
        Assert.False(entered.WasAbandoned);
        entered.Dispose();
        await acquiring.InTime(Soon, Token);
        await awaiting.InTime(Soon, Token);
        Assert.Equal((0, false), (ownSemaphore.CurrentCount, ownEvent.IsSet));
        using (await condition.Lock.EnterAsync(Token))
            condition.NotifyAll();
        GC.KeepAlive(ownCondition);
    }

    /// <summary>Who cancels while there is no connection isn't kept waiting for an answer that can't come.</summary>
    [Fact]
    public async Task CanceledWithoutAConnection_EndsAtOnce()
    {
        ManagerServer server = new();
        server.RegisterBarrier("barrier", 2);
        server.RegisterEvent("event");
        server.RegisterQueue<int>("queue");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server.EndPoint, server);
        ISharedBarrier barrier = client.GetBarrier("barrier");
        ISharedEvent one = client.GetEvent("event");
        ISharedQueue<int> queue = client.GetQueue<int>("queue");
        await server.DisposeAsync();
        await Eventually.True(() => client.State == ManagerClientState.Reconnecting, "the client has noticed");
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => barrier.SignalAndWaitAsync(null, cancel.Token).AsTask().InTime(Soon, Token));
        using CancellationTokenSource second = new(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one.WaitAsync(second.Token).AsTask().InTime(Soon, Token));
        using CancellationTokenSource third = new(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queue.EnqueueAsync(1, third.Token).AsTask().InTime(Soon, Token));
    }

    [Fact]
    public async Task Waiters_EnterInTheOrderInWhichTheyCame()
    {
        const int Each = 10;
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.Start();
        await using ManagerClient first = await ConnectAsync(server.EndPoint, server);
        await using ManagerClient second = await ConnectAsync(server.EndPoint, server);
        ISharedLock[] locks = [own, first.GetLock("lock"), second.GetLock("lock")];
        SharedLock.Scope held = own.Enter(Token);
        List<int> order = [];
        List<Task> waiters = [];
        for (int i = 0; i < Each * locks.Length; i++)
        {
            int number = i;
            waiters.Add(Task.Run(async () =>
            {
                using SharedLock.Scope scope = await locks[number % locks.Length].EnterAsync(Token);
                order.Add(number);
            }));
            await Eventually.True(() => server.Statistics.Objects.Single().WaitingRequests == number + 1, "it is in line");
        }

        held.Dispose();
        await Task.WhenAll(waiters).InTime(Patience, Token);
        Assert.Equal(Enumerable.Range(0, waiters.Count), order);
    }

    [Fact]
    public async Task TwoClients_ExcludeEachOther_AndWaitForEachOther()
    {
        await using ManagerServer server = new();
        server.RegisterCondition("condition", server.RegisterLock("lock"));
        server.RegisterBarrier("barrier", 2);
        server.Start();
        await using ManagerClient first = await ConnectAsync(server.EndPoint, server);
        await using ManagerClient second = await ConnectAsync(server.EndPoint, server);
        ISharedCondition condition = first.GetCondition("condition");
        Assert.Same(first.GetLock("lock"), condition.Lock);
        SharedLock.Scope scope = await first.GetLock("lock").EnterAsync(Token);
        Assert.True(condition.Lock.IsHeldHere);
        ISharedLock others = second.GetLock("lock");
        Assert.False(others.TryEnter(out _));
        Assert.False(others.IsHeldHere);
        Assert.Throws<SynchronizationLockException>(others.Exit);
        Assert.Throws<SynchronizationLockException>(() => second.GetCondition("condition").Notify());
        Task<bool> waiting = condition.TryWaitAsync(Patience, Token).AsTask();
        using (await others.EnterAsync(Token))
            second.GetCondition("condition").Notify();
        Assert.True(await waiting.InTime(Soon, Token));
        Assert.True(condition.Lock.IsHeldHere);
        scope.Dispose();
        BarrierPassage[] passages = await Task.WhenAll(
            first.GetBarrier("barrier").SignalAndWaitAsync(null, Token).AsTask(), second.GetBarrier("barrier").SignalAndWaitAsync(null, Token).AsTask()).InTime(Soon, Token);
        Assert.Equal([0, 1], passages.Select(passage => passage.Index).Order());
    }

    /// <summary>A client's object that was disposed of while it held leaves as a dead client does; asked for again, it can be entered.</summary>
    [Fact]
    public async Task DisposedOfWhileHeld_TheNextIsTold()
    {
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.Start();
        await using ManagerClient client = await ConnectAsync(server.EndPoint, server);
        ISharedLock theirs = client.GetLock("lock");
        theirs.Enter(Token);
        theirs.Dispose();
        Assert.True(own.TryEnter(Soon, out SharedLock.Scope scope, Token));
        Assert.True(scope.WasAbandoned);
        scope.Dispose();
        using (client.GetLock("lock").Enter(Token))
            Assert.False(own.TryEnter(out _));
    }

    [Fact]
    public async Task WrongNamesAndKinds_AreRefused()
    {
        await using ManagerServer server = new();
        ISharedLock own = server.RegisterLock("lock");
        server.RegisterSemaphore("semaphore", 1, 1);
        server.Start();
        await using ManagerServer other = new();
        await using ManagerClient client = await ConnectAsync(server.EndPoint, server);
        ManagerException missing = Assert.Throws<ManagerException>(() => client.GetLock("nothing"));
        Assert.Equal(ManagerError.NotFound, missing.Error);
        Assert.Contains("It has: lock.", missing.Message, StringComparison.Ordinal);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetLock("semaphore")).Error);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetSemaphore("lock")).Error);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetEvent("lock")).Error);
        Assert.Equal(ManagerError.OtherType, Assert.Throws<ManagerException>(() => client.GetCondition("lock")).Error);
        Assert.Equal(ManagerError.NotFound, Assert.Throws<ManagerException>(() => client.GetBarrier("barrier")).Error);
        Assert.Throws<ArgumentException>(() => server.RegisterEvent("lock"));
        Assert.Throws<ArgumentException>(() => server.RegisterLock("no name"));
        Assert.Throws<ArgumentException>(() => server.RegisterCondition("condition", client.GetLock("lock")));
        Assert.Throws<ArgumentException>(() => other.RegisterCondition("condition", own));
    }

    [Fact]
    public async Task ManagerStops_WhoWaitsIsTold()
    {
        ManagerServer server = new();
        ISharedCondition condition = server.RegisterCondition("condition");
        ISharedSemaphore semaphore = server.RegisterSemaphore("semaphore", 0, 1);
        ISharedBarrier barrier = server.RegisterBarrier("barrier", 2);
        server.Start();
        SharedLock.Scope scope = await condition.Lock.EnterAsync(Token);
        Task[] waiters = [condition.WaitAsync(Token).AsTask(), semaphore.WaitAsync(Token).AsTask(), barrier.SignalAndWaitAsync(null, Token).AsTask()];
        await server.DisposeAsync();
        foreach (Task waiter in waiters)
            Assert.Equal(ManagerError.Gone, (await Assert.ThrowsAsync<ManagerException>(() => waiter.InTime(Soon, Token))).Error);
        Assert.False(condition.Lock.IsHeldHere);
        scope.Dispose();
    }

    private static WorkerProcess Start(Func<int, string, string, Task> work, ManagerServer server, Gate gate) =>
        WorkerProcess.Start(work, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Path);

    private static async Task StopAsync(WorkerProcess process)
    {
        Assert.Equal(0, Linux.Kill(process.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(process.Id), "it is stopped");
    }

    private static Task UntilItWaits(ManagerServer server) => Eventually.True(() => server.Statistics.Clients is [{ WaitingRequests: 1 }], "it waits");

    private static Task<ManagerClient> ConnectAsync(EndPoint endPoint, ManagerServer server) => ManagerClient.ConnectAsync(endPoint, server.Key, cancellationToken: Token);
}
