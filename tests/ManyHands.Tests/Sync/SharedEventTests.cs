using System.Diagnostics;
using ManyHands.Tests.Contracts;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedEventTests() : EventContract(new SharedMemorySite())
{
    [Theory]
    [InlineData(SharedEventMode.ManualReset)]
    [InlineData(SharedEventMode.AutoReset)]
    public async Task Waiter_KilledOrStopped_SetReturns_AndTheNextGoesOn(SharedEventMode mode)
    {
        using SharedEvent shared = new(mode);
        using Gate gate = new();
        WorkerProcess killed = WorkerProcess.Start(WaitFor, shared, gate.Path);
        await gate.WaitAsync();
        WorkerProcess stopped = WorkerProcess.Start(WaitFor, shared, gate.Named("second"));
        await Gate.WaitAsync(gate.Named("second"));
        Signals.TrySend(stopped.Id, Signals.Stop);
        await Eventually.True(() => Signals.IsStopped(stopped.Id), "it is stopped");
        killed.Kill();
        await killed.JoinAsync().InTime(Patience, Token);
        Task next = shared.WaitAsync(Token).AsTask();
        long startedAt = Stopwatch.GetTimestamp();
        shared.Set();
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 0.5);
        await next.InTime(TimeSpan.FromSeconds(2), Token);
        stopped.Kill();
        await stopped.JoinAsync().InTime(Patience, Token);
    }

    [Fact]
    public async Task Processes_PlayPingPong()
    {
        using SharedEvent ping = new(SharedEventMode.AutoReset);
        using SharedEvent pong = new(SharedEventMode.AutoReset);
        WorkerProcess other = WorkerProcess.Start(static (SharedEvent ping, SharedEvent pong) =>
        {
            for (int i = 0; i < 2000; i++)
            {
                ping.Wait();
                pong.Set();
            }
        }, ping, pong);
        for (int i = 0; i < 2000; i++)
        {
            ping.Set();
            Assert.True(pong.TryWait(Patience, Token));
        }

        await other.JoinAsync().InTime(Patience, Token);
        Assert.Equal(0, other.ExitCode);
    }

    private static void WaitFor(SharedEvent shared, string path)
    {
        Gate.Open(path);
        shared.Wait();
    }
}
