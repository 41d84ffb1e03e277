using System.Diagnostics;
using System.Net;
using ManyHands.Platform;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>Workers, callers and managers of a pool that die, leave and come back, and builds that don't fit.</summary>
public sealed class RemotePoolSurvivalTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static RemoteFunctions Functions => RemotePoolWork.Functions;

    [Fact]
    public async Task WorkerKilled_WhatItHadStartedFails_TheOthersRunElsewhere()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using WorkerProcess doomed = WorkerProcess.Start(RemotePoolWork.WorkAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Named("ready"));
        await using ManagerClient client = await ConnectAsync(server);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        await pool.WarmUpAsync(Token);
        Task<int> started = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("never"));
        await gate.WaitAsync();
        Task<int>[] sent = [.. Enumerable.Range(0, 3).Select(i => pool.RunAsync(Work.Double, i))];
        await Eventually.True(() => pool.Statistics is { RunningCalls: 1, QueuedCalls: 3 }, "one runs and three wait behind it");

        doomed.Kill();
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => started.InTime(Deadline));
        Assert.Equal(doomed.Id, crash.ProcessId);
        Assert.Contains("open then wait", crash.Message, StringComparison.Ordinal);
        await Eventually.True(() => pool.Statistics is { Workers.Count: 0, WorkersLost: 1 }, "the worker is counted as lost");
        Assert.All(sent, call => Assert.False(call.IsCompleted));

        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Assert.Equal((int[])[0, 2, 4], await Task.WhenAll(sent).InTime(Deadline, Token));
        Assert.Equal(1, pool.Statistics.CrashedCalls);
        await doomed.JoinAsync(Token);
    }

    [Fact]
    public async Task WorkersConnectionEnds_WhatItHadNotBegunRunsOnce()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient caller = await ConnectAsync(server);
        await using Pool pool = Pool.Remote(caller, "pool", Functions);
        ManagerClient lost = await ConnectAsync(server);
        RemoteWorker forlorn = await RemoteWorker.StartAsync(lost, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Task<int> started = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("finish"));
        await gate.WaitAsync();
        Task[] behind = [.. Enumerable.Range(0, 3).Select(_ => pool.RunAsync(RemotePoolWork.Note, gate.Named("note")))];
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 3, "they wait behind it");

        await lost.DisposeAsync();
        await Assert.ThrowsAsync<WorkerCrashedException>(() => started.InTime(Deadline));
        Gate.Open(gate.Named("finish"));
        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker next = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await Task.WhenAll(behind).InTime(Deadline, Token);
        await forlorn.DisposeAsync();
        Assert.Equal(3, gate.Count("note-"));
    }

    [Fact]
    public async Task WorkerKilled_CallWithRetries_RunsAgainElsewhere()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using WorkerProcess doomed = WorkerProcess.Start(RemotePoolWork.WorkAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Named("ready"));
        await using ManagerClient client = await ConnectAsync(server);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        Task<int> call = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("finish"), new CallOptions { Retries = 1 });
        await gate.WaitAsync();
        File.Delete(gate.Path);
        doomed.Kill();
        await doomed.JoinAsync(Token);

        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await gate.WaitAsync();
        Gate.Open(gate.Named("finish"));
        Assert.Equal(1, await call.InTime(Deadline, Token));
    }

    [Fact]
    public async Task CallerKilled_ItsCallsAreCancelledAtTheWorkers()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await using WorkerProcess doomed = WorkerProcess.Start(RemotePoolWork.CallAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Path);
        await gate.WaitAsync();
        await Eventually.True(() => server.Statistics.Objects[0].Count == 20, "all calls have come");

        doomed.Kill();
        await Gate.WaitAsync(gate.Path + "-cancelled");
        await Eventually.True(() => server.Statistics.Objects[0] is { Count: 0, WaitingRequests: 0 } && worker.RunningCalls == 0, "nothing of it is left");
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
        await doomed.JoinAsync(Token);
    }

    [Fact]
    public async Task ManagerStopped_CallersAreTold_AndTheWorkersWorkIsCancelled()
    {
        using Gate gate = new();
        ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await using ManagerClient caller = await ConnectAsync(server, new() { ReconnectTimeout = TimeSpan.Zero });
        Pool pool = Pool.Remote(caller, "pool", Functions);
        Task<int> running = pool.RunAsync(RemotePoolWork.NoteCancellation, gate.Path);
        Task<int> waiting = pool.RunAsync(Work.Answer);
        await gate.WaitAsync();

        await server.DisposeAsync();
        Assert.Equal(ManagerError.Gone, (await Assert.ThrowsAsync<ManagerException>(() => running.InTime(Deadline))).Error);
        Assert.Equal(ManagerError.Gone, (await Assert.ThrowsAsync<ManagerException>(() => waiting.InTime(Deadline))).Error);
        await Gate.WaitAsync(gate.Path + "-cancelled");
        await Assert.ThrowsAsync<ConnectionLostException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
        await pool.DisposeAsync().AsTask().InTime(Deadline, Token);
    }

    [Fact]
    public async Task ManagerStartedAgain_WorkersAndCallersGoOn()
    {
        ManagerServer first = Serve();
        ManagerKey key = first.Key;
        IPEndPoint place = (IPEndPoint)first.EndPoint;
        await using ManagerClient client = await ConnectAsync(first);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await using ManagerClient caller = await ConnectAsync(first);
        await using Pool pool = Pool.Remote(caller, "pool", Functions);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
        await first.DisposeAsync();

        await using ManagerServer second = new(new() { EndPoint = place, Key = key });
        second.RegisterPool("pool");
        second.Start();
        await Eventually.True(() => caller.Reconnects == 1, "the caller has found it");
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
    }

    [Fact]
    public async Task TwoWorkers_WorkSideBySide()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using WorkerProcess one = WorkerProcess.Start(RemotePoolWork.WorkAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Named("one"));
        await using WorkerProcess two = WorkerProcess.Start(RemotePoolWork.WorkAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Named("two"));
        await Gate.WaitAsync(gate.Named("one"));
        await Gate.WaitAsync(gate.Named("two"));
        await using Pool pool = Pool.Remote(client, "pool", Functions);

        // Each ends only when the other has begun.
        int[] processes = await Task.WhenAll(
            pool.RunAsync(RemotePoolWork.Meet, gate.Named("a"), gate.Named("b")),
            pool.RunAsync(RemotePoolWork.Meet, gate.Named("b"), gate.Named("a"))).InTime(Deadline, Token);
        Assert.Equal(new[] { one.Id, two.Id }.Order(), processes.Order());

        int[] all = await pool.MapUnorderedAsync((Func<int, int>)Work.Double, Enumerable.Range(0, 2_000)).ToArrayAsync(Token);
        Assert.Equal(Enumerable.Range(0, 2_000).Select(i => 2 * i), all.Order());
        Assert.All(pool.Statistics.Workers, worker => Assert.InRange(worker.EndedCalls, 100, 2_000));
        one.Kill();
        two.Kill();
        await one.JoinAsync(Token);
        await two.JoinAsync(Token);
    }

    [Fact]
    public async Task CallSentAhead_WhenAnotherWorkerComes_RunsThere()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker busy = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        Task<int> slow = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("finish"));
        await gate.WaitAsync();
        Task<int>[] behind = [.. Enumerable.Range(0, 3).Select(i => pool.RunAsync(Work.Double, i))];
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 3, "they wait behind it");

        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker idle = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Assert.Equal((int[])[0, 2, 4], await Task.WhenAll(behind).InTime(Deadline, Token));
        Assert.False(slow.IsCompleted);
        Gate.Open(gate.Named("finish"));
        Assert.Equal(1, await slow.InTime(Deadline, Token));
    }

    [Fact]
    public async Task WorkerDisposed_EndsWhatItHasBegun_AndGivesTheRestBack()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        RemoteWorker leaving = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        Task<int> begun = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("finish"));
        await gate.WaitAsync();
        Task<int> waiting = pool.RunAsync(Work.Answer);
        await Eventually.True(() => server.Statistics.Objects[0].WaitingRequests == 1, "one waits behind it");

        Task left = leaving.DisposeAsync().AsTask();
        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker next = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Assert.Equal(42, await waiting.InTime(Deadline, Token));
        Assert.False(left.IsCompleted);
        Gate.Open(gate.Named("finish"));
        Assert.Equal(1, await begun.InTime(Deadline, Token));
        await left.InTime(Deadline, Token);
        Assert.Equal(0, pool.Statistics.WorkersLost);
    }

    [Fact]
    public async Task WorkerDisposed_CallThatGoesOn_IsLostToItsCaller()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        RemoteWorker leaving = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), new() { ShutdownTimeout = TimeSpan.FromMilliseconds(50) }, Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        Task<int> call = pool.RunAsync(RemotePoolWork.NoteCancellation, gate.Path);
        await gate.WaitAsync();
        await leaving.DisposeAsync();
        Assert.Contains("left", (await Assert.ThrowsAsync<WorkerCrashedException>(() => call.InTime(Deadline))).Message, StringComparison.Ordinal);
        await Gate.WaitAsync(gate.Path + "-cancelled");
    }

    [Fact]
    public async Task WorkerOfAnotherBuild_LacksTheFunction_SaysWhatItHas()
    {
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", RemotePoolWork.OtherBuild(), Pool.Threads(1), new() { Name = "other" }, Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        UnsendableCallException lacking = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Contains("'other' has no function 'answer' (): int; Registered are double, extra.", lacking.Message, StringComparison.Ordinal);
        UnsendableCallException differing = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(Work.Double, 1).InTime(Deadline));
        Assert.Contains("(long): long", differing.Message, StringComparison.Ordinal);
        Assert.Contains("(int): int", differing.Message, StringComparison.Ordinal);
        Assert.Equal(2, pool.Statistics.FailedCalls);

        // One that fits takes what the other can't.
        await using ManagerClient second = await ConnectAsync(server);
        await using RemoteWorker fitting = await RemoteWorker.StartAsync(second, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => 2 * i), await pool.MapAsync((Func<int, int>)Work.Double, Enumerable.Range(0, 200)).ToArrayAsync(Token));
    }

    [Fact]
    public async Task CallCrashesItsProcess_TheFactsArrive_AndTheWorkerGoesOn()
    {
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Processes(1), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        int process = await pool.RunAsync(RemotePoolWork.Process).InTime(Deadline, Token);
        WorkerCrashedException crash = await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(RemotePoolWork.Die, Faults.Signals.Kill).InTime(Deadline));
        Assert.Equal((process, 9, null), (crash.ProcessId, crash.Signal, crash.ExitCode));
        Assert.Contains("last words", crash.LastErrorLines);
        Assert.True(crash.Exit.RunTime > TimeSpan.Zero);
        Assert.Equal(1, pool.Statistics.CrashedCalls);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
    }

    [Fact]
    public async Task CallCrashesItsProcess_WithRetries_RunsSoOften()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Processes(2), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(RemotePoolWork.DieNoting, gate.Named("attempt"), new CallOptions { Retries = 2 }).InTime(Deadline));
        Assert.Equal(3, gate.Count("attempt-"));
    }

    [Fact]
    public async Task EndlessLoop_AtAWorkerWithProcesses_IsKilledAtItsDeadline()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Processes(1), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        CallTimeoutException timeout = await Assert.ThrowsAsync<CallTimeoutException>(() => pool.RunAsync(
            RemotePoolWork.Loop, gate.Path, new CallOptions { Timeout = TimeSpan.FromMilliseconds(300), Grace = TimeSpan.FromMilliseconds(50) }).InTime(Deadline));
        Assert.Equal(TimeSpan.FromMilliseconds(300), timeout.Limit);
        Assert.True(File.Exists(gate.Path));
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline, Token));
    }

    [Fact]
    public async Task WorkerStopped_TimeoutAndCancellation_EndAllTheSame()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using WorkerProcess stopped = WorkerProcess.Start(RemotePoolWork.WorkAsync, ManagerWork.PortOf(server), server.Key.ToBase64(), gate.Named("ready"));
        await using ManagerClient client = await ConnectAsync(server);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        using CancellationTokenSource source = new();
        Task<int> call = pool.RunAsync(Work.OpenThenWait, gate.Path, gate.Named("never"), new CallOptions { Timeout = TimeSpan.FromMilliseconds(200), Grace = TimeSpan.FromMilliseconds(50) });
        await gate.WaitAsync();
        Assert.Equal(0, Linux.Kill(stopped.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(stopped.Id), "it is stopped");
        Task<int> behind = pool.RunAsync(Work.Answer, new CallOptions { Grace = TimeSpan.FromMilliseconds(50) }, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => behind.InTime(Deadline));
        await Assert.ThrowsAsync<CallTimeoutException>(() => call.InTime(Deadline));
        stopped.Kill();
        await stopped.JoinAsync(Token);
    }

    [Fact]
    public async Task PoolDisposed_WithACallThatGoesOn_CancelsItAtItsWorker()
    {
        using Gate gate = new();
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Pool pool = Pool.Remote(client, "pool", Functions, new() { ShutdownTimeout = TimeSpan.FromMilliseconds(50) });
        Task<int> call = pool.RunAsync(RemotePoolWork.NoteCancellation, gate.Path);
        await gate.WaitAsync();
        await pool.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => call.InTime(Deadline));
        await Gate.WaitAsync(gate.Path + "-cancelled");
        await Eventually.True(() => worker.RunningCalls == 0, "its place is free");
    }

    [Fact]
    public async Task NoWorker_CallsWait_AsLongAsTheyMay()
    {
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using Pool pool = Pool.Remote(client, "pool", Functions, new() { NoWorkerTimeout = TimeSpan.FromMilliseconds(100) });
        long startedAt = Stopwatch.GetTimestamp();
        PoolBrokenException broken = await Assert.ThrowsAsync<PoolBrokenException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Contains("no worker at the pool 'pool'", broken.Message, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds >= 95, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalMilliseconds, 0, Deadline.TotalMilliseconds);
        await Assert.ThrowsAsync<PoolBrokenException>(() => pool.WarmUpAsync(Token));

        await using Pool patient = Pool.Remote(client, "pool", Functions);
        Task<int> call = patient.RunAsync(Work.Answer);
        Task warm = patient.WarmUpAsync(Token);
        await Eventually.True(() => server.Statistics.Objects[0].Count == 1, "the call waits");
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: Token);
        Assert.Equal(42, await call.InTime(Deadline, Token));
        await warm.InTime(Deadline, Token);
    }

    [Fact]
    public async Task MoreCallsThanAManagerAllowsAClient_AllEnd()
    {
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        await using ManagerClient other = await ConnectAsync(server);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(other, "pool", Functions, Pool.Threads(2), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", Functions);
        int[] results = await Task.WhenAll(Enumerable.Range(0, 15_000).Select(i => pool.RunAsync(Work.Double, i))).InTime(Deadline, Token);
        Assert.Equal(Enumerable.Range(0, 15_000).Select(i => 2 * i), results);
    }

    [Fact]
    public async Task UnknownPool_IsRefused()
    {
        await using ManagerServer server = Serve();
        await using ManagerClient client = await ConnectAsync(server);
        Assert.Equal(ManagerError.NotFound, Assert.Throws<ManagerException>(() => Pool.Remote(client, "none", Functions)).Error);
        Pool local = Pool.Threads(1);
        Assert.Equal(ManagerError.NotFound, (await Assert.ThrowsAsync<ManagerException>(() => RemoteWorker.StartAsync(client, "none", Functions, local))).Error);
        Assert.Throws<ObjectDisposedException>(() => { _ = local.RunAsync(Work.Answer); });
    }

    private static ManagerServer Serve()
    {
        ManagerServer server = new();
        server.RegisterPool("pool");
        server.Start();
        return server;
    }

    private static async Task<ManagerClient> ConnectAsync(ManagerServer server, ManagerClientOptions? options = null) =>
        await ManagerClient.ConnectAsync(server.EndPoint, server.Key, options, Token);
}
