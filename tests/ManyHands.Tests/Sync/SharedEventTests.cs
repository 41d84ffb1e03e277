using System.Diagnostics;
using CsCheck;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedEventTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ManualReset_LetsAllGoOn_UntilReset()
    {
        using SharedEvent shared = new();
        Assert.False(shared.IsSet);
        Task[] waiters = [shared.WaitAsync(Token).AsTask(), Task.Run(() => shared.Wait(Token), Token), shared.WaitAsync(Token).AsTask()];
        Assert.False(shared.TryWait(TimeSpan.Zero, Token));
        shared.Set();
        await Task.WhenAll(waiters).WaitAsync(Patience, Token);
        Assert.True(shared.IsSet);
        shared.Wait(Token);
        shared.Set();
        shared.Reset();
        Assert.False(await shared.TryWaitAsync(TimeSpan.Zero, Token));
        using SharedEvent set = new(isSet: true);
        Assert.True(set.TryWait(TimeSpan.Zero, Token));
    }

    [Fact]
    public async Task ManualReset_SetAndResetAtOnce_WaitersGoOn()
    {
        using SharedEvent shared = new();
        for (int i = 0; i < 50; i++)
        {
            Task waiter = shared.WaitAsync(Token).AsTask();
            shared.Set();
            shared.Reset();
            await waiter.WaitAsync(Patience, Token);
        }
    }

    [Fact]
    public async Task AutoReset_LetsOneGoOn()
    {
        using SharedEvent shared = new(SharedEventMode.AutoReset);
        Task<bool>[] waiters = [.. Enumerable.Range(0, 3).Select(_ => shared.TryWaitAsync(Patience, Token).AsTask())];
        for (int i = 1; i <= 3; i++)
        {
            shared.Set();
            await Eventually.True(() => waiters.Count(waiter => waiter.IsCompleted) == i, "one more goes on");
            Assert.False(shared.TryWait(TimeSpan.FromMilliseconds(30), Token));
            Assert.Equal(i, waiters.Count(waiter => waiter.IsCompleted));
        }

        shared.Set();
        shared.Set();
        Assert.True(shared.TryWait(TimeSpan.Zero, Token));
        Assert.False(shared.TryWait(TimeSpan.Zero, Token));
    }

    [Fact]
    public async Task TryWait_NeverEarly_AndCancellable()
    {
        using SharedEvent shared = new(SharedEventMode.AutoReset);
        TimeSpan time = TimeSpan.FromMilliseconds(60);
        long startedAt = Stopwatch.GetTimestamp();
        Assert.False(shared.TryWait(time, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        startedAt = Stopwatch.GetTimestamp();
        Assert.False(await shared.TryWaitAsync(time, Token));
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
        using CancellationTokenSource cancel = new(time);
        Assert.ThrowsAny<OperationCanceledException>(() => shared.Wait(cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await shared.WaitAsync(cancel.Token));
    }

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
        await killed.JoinAsync().WaitAsync(Patience, Token);
        Task next = shared.WaitAsync(Token).AsTask();
        long startedAt = Stopwatch.GetTimestamp();
        shared.Set();
        Assert.InRange(Stopwatch.GetElapsedTime(startedAt).TotalSeconds, 0, 0.5);
        await next.WaitAsync(TimeSpan.FromSeconds(2), Token);
        stopped.Kill();
        await stopped.JoinAsync().WaitAsync(Patience, Token);
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

        await other.JoinAsync().WaitAsync(Patience, Token);
        Assert.Equal(0, other.ExitCode);
    }

    [Fact]
    public async Task Dispose_WakesWaiters()
    {
        SharedEvent shared = new();
        Task waiter = shared.WaitAsync(Token).AsTask();
        shared.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiter.WaitAsync(TimeSpan.FromSeconds(2), Token));
        Assert.Throws<ObjectDisposedException>(shared.Set);
        Assert.Throws<ObjectDisposedException>(() => shared.IsSet);
    }

    [Theory]
    [InlineData(SharedEventMode.ManualReset)]
    [InlineData(SharedEventMode.AutoReset)]
    public void AnySteps_AsTheModelSays(SharedEventMode mode) => Gen.Int[0, 2].Array[0, 40].Sample(
        steps =>
        {
            using SharedEvent shared = new(mode);
            bool model = false;
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0:
                        shared.Set();
                        model = true;
                        break;
                    case 1:
                        shared.Reset();
                        model = false;
                        break;
                    default:
                        if (shared.TryWait(TimeSpan.Zero) != model)
                            return false;
                        model &= mode == SharedEventMode.ManualReset;
                        break;
                }

                if (shared.IsSet != model)
                    return false;
            }

            return true;
        },
        iter: 200,
        threads: 1);

    private static void WaitFor(SharedEvent shared, string path)
    {
        Gate.Open(path);
        shared.Wait();
    }
}
