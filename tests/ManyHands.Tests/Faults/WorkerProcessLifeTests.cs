using System.Diagnostics;
using System.Runtime.InteropServices;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>A single worker process from its start to its end, and what its end tells.</summary>
public sealed partial class WorkerProcessLifeTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task FromStartToEnd_StateTellsWhereItIs()
    {
        using Gate gate = new();
        Waiting worker = new(gate.Path);
        Assert.Equal(WorkerState.Created, worker.State);
        Assert.Null(worker.ExitCode);
        Assert.Null(worker.Exit);
        Assert.DoesNotContain(worker, WorkerProcess.LiveChildren);
        Assert.Throws<InvalidOperationException>(worker.Join);
        worker.Start();
        Assert.Equal(WorkerState.Running, worker.State);
        Assert.Null(worker.ExitCode);
        Assert.Contains(worker, WorkerProcess.LiveChildren);
        Assert.True(ProcessInventory.IsAlive(worker.Id));
        Assert.Throws<InvalidOperationException>(worker.Start);
        gate.Open();
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(WorkerState.Completed, worker.State);
        Assert.Equal(0, worker.ExitCode);
        Assert.DoesNotContain(worker, WorkerProcess.LiveChildren);
        Assert.Throws<InvalidOperationException>(worker.Start);
    }

    [Theory]
    [InlineData(Signals.Terminate)]
    [InlineData(Signals.Kill)]
    public async Task Ended_JoinsReturnAtOnceBefore_AndTheSignalIsTold(int signal)
    {
        using Gate gate = new();
        WorkerProcess worker = WorkerProcess.Start(static path => { Gate.Open(path); Thread.Sleep(Timeout.Infinite); }, gate.Path);
        await gate.WaitAsync();
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(worker.Join(TimeSpan.Zero));
        Assert.False(await worker.JoinAsync(TimeSpan.Zero, TestContext.Current.CancellationToken));
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 0.5);
        Assert.Throws<ArgumentOutOfRangeException>(() => worker.Join(TimeSpan.FromSeconds(-1)));
        Assert.Equal(WorkerState.Running, worker.State);
        if (signal == Signals.Kill)
            worker.Kill();
        else
            worker.Terminate(TimeSpan.FromSeconds(30));
        Assert.True(worker.Join(Deadline));
        Assert.Equal((signal, null), (worker.Signal, worker.ExitCode));

        // Again, when it is over.
        worker.Kill();
        worker.Terminate();
        Assert.True(worker.Join(TimeSpan.Zero));
    }

    [Fact]
    public async Task Exited_WithTheCodeOfASignal_IsAnExit()
    {
        WorkerProcess worker = WorkerProcess.Start(static () => Environment.Exit(128 + Signals.Terminate));
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal((null, 128 + Signals.Terminate), (worker.Signal, worker.ExitCode));
    }

    [Fact]
    public async Task FiftyFromEightThreads_EachGetsItsOwnArguments()
    {
        const int Threads = 8, Each = 7;
        WorkerProcess<string>[][] workers = new WorkerProcess<string>[Threads][];
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(thread => new Thread(() => workers[thread] =
            [.. Enumerable.Range(0, Each).Select(i => WorkerProcess.Start(Work.Join, new string((char)('a' + thread), 1000 + i), i, thread % 2 == 0))]))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        for (int thread = 0; thread < Threads; thread++)
        {
            for (int i = 0; i < Each; i++)
            {
                WorkerProcess<string> worker = workers[thread][i];
                await worker.JoinAsync().InTime(Deadline);
                Assert.Equal(Work.Join(new string((char)('a' + thread), 1000 + i), i, thread % 2 == 0), worker.Result);
                Assert.Equal(0, worker.ExitCode);
            }
        }

        Assert.Equal(Threads * Each, workers.SelectMany(static row => row).Select(static worker => worker.Id).Distinct().Count());
        Assert.Empty(WorkerProcess.LiveChildren);
    }

    /// <summary>Nowhere to write to is no reason for another exit code.</summary>
    [Theory]
    [InlineData(null, 0)]
    [InlineData(9, 9)]
    public async Task OutputClosed_TheExitCodeIsTheFunctions(int? exits, int code)
    {
        WorkerProcess worker = WorkerProcess.Start(
            static (int? exits) =>
            {
                // .NET keeps copies of the descriptors from the first use on, and fails at the first use if they are closed before.
                Console.WriteLine("before");
                Console.Error.WriteLine("before");
                _ = Close(1);
                _ = Close(2);
                Console.WriteLine("nobody reads this");
                Console.Error.WriteLine("nor this");
                if (exits is { } code)
                    Environment.Exit(code);
            },
            exits);
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal((null, code), (worker.Signal, worker.ExitCode));
    }

    [Fact]
    public async Task OutputClosed_ThrowingStillTellsWhat()
    {
        WorkerProcess worker = WorkerProcess.Start(static () =>
        {
            _ = Close(1);
            _ = Close(2);
            throw new InvalidOperationException("unheard");
        });
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(1, worker.ExitCode);
        Assert.Equal("unheard", Assert.IsType<InvalidOperationException>(worker.Exception).Message);
    }

    [Fact]
    public async Task StoppedForAWhile_EndsWhenItGoesOn()
    {
        using Gate gate = new();
        string finish = gate.Named("finish");
        WorkerProcess<int> worker = WorkerProcess.Start(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        Assert.True(Signals.TrySend(worker.Id, Signals.Stop));
        await Eventually.True(() => ProcessInventory.IsStopped(worker.Id), "it is stopped");
        Gate.Open(finish);
        Assert.False(await worker.JoinAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken));
        Assert.Equal(WorkerState.Running, worker.State);
        Assert.True(Signals.TrySend(worker.Id, Signals.Continue));
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(1, worker.Result);
    }

    [Fact]
    public async Task TerminatedWhileStopped_IsKilledAfterTheGrace()
    {
        using Gate gate = new();
        WorkerProcess<int> worker = WorkerProcess.Start(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        Assert.True(Signals.TrySend(worker.Id, Signals.Stop));
        await Eventually.True(() => ProcessInventory.IsStopped(worker.Id), "it is stopped");
        worker.Terminate(TimeSpan.FromMilliseconds(200));
        await worker.JoinAsync().InTime(TimeSpan.FromSeconds(5));
        Assert.Equal(Signals.Kill, worker.Signal);
    }

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private sealed class Waiting(string path) : WorkerProcess
    {
        protected override void Run() => Gate.Wait(path);
    }
}
