#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Faults;
#endif
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Sync;

public sealed class SharedBarrierTests() : BarrierContract(new SharedMemorySite())
{
    [Fact]
    public async Task Processes_PassTogether_EachIndexOnce_ActionOnce()
    {
        const int Rounds = 20;
        using SharedBarrier barrier = new(3);
        using SharedArray<int> cells = new(1 + (3 * Rounds));
        WorkerProcess[] others = [.. Enumerable.Range(0, 2).Select(_ => WorkerProcess.Start(Pass, barrier, cells, Rounds))];
        Pass(barrier, cells, Rounds);
        foreach (WorkerProcess other in others)
        {
            await other.JoinAsync().InTime(Patience, Token);
            Assert.Equal(0, other.ExitCode);
        }

        Assert.Equal(Rounds, cells[0]);
        Assert.All(Enumerable.Range(1, 3 * Rounds), i => Assert.Equal(1, cells[i]));
        Assert.Equal((0, false), (barrier.Waiting, barrier.IsBroken));
    }

    [Fact]
    public async Task Party_Killed_BreaksForTheOthers_Soon()
    {
        using SharedBarrier barrier = new(3);
        WorkerProcess doomed = WorkerProcess.Start(static (SharedBarrier barrier) => { barrier.SignalAndWait(); }, barrier);
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        Task<BarrierPassage> other = barrier.SignalAndWaitAsync(null, Token).AsTask();
        doomed.Kill();
        await Assert.ThrowsAsync<BrokenBarrierException>(() => other.InTime(TimeSpan.FromSeconds(2), Token));
        await doomed.JoinAsync().InTime(Patience, Token);
        barrier.Reset();
        await PassTogether(barrier);
    }

    /// <summary>How its phase ended stays true for one that is stopped, however many phases the others go on for.</summary>
    /// <param name="passes">Whether its phase is passed.</param>
    /// <param name="phases">How many there are until it is continued.</param>
    /// <param name="others">How all but its own end: as it does, in the other way, or by turns.</param>
    /// <param name="outcome">What it says.</param>
    [Theory]
    [InlineData(true, 9, "alike", "passed")]
    [InlineData(true, 1000, "alike", "passed")]
    [InlineData(false, 1000, "alike", "broken")]
    [InlineData(true, 63, "otherwise", "passed")]
    [InlineData(true, 64, "otherwise", "passed")]
    [InlineData(true, 1000, "otherwise", "passed")]
    [InlineData(false, 64, "otherwise", "broken")]
    [InlineData(false, 1000, "otherwise", "broken")]
    [InlineData(true, 60, "by turns", "passed")]
    [InlineData(false, 60, "by turns", "broken")]
    [InlineData(true, 200, "by turns", "nobody knows")]
    [InlineData(false, 201, "by turns", "nobody knows")]
    public async Task Party_StoppedForManyPhases_LearnsHowItsOwnEnded(bool passes, int phases, string others, string outcome)
    {
        using SharedBarrier barrier = new(2);
        await using WorkerProcess<string> sleeper = WorkerProcess.Start(Come, barrier);
        await Eventually.True(() => barrier.Waiting == 1, "it waits", Patience.TotalSeconds);
        Assert.True(Faults.Signals.TrySend(sleeper.Id, Faults.Signals.Stop));
        await Eventually.True(() => Faults.Signals.IsStopped(sleeper.Id), "it is stopped");
        if (passes)
            barrier.SignalAndWait(token: Token);
        else
            EndBroken();
        for (int i = 1; i < phases; i++)
        {
            if (others == "alike" || (others == "by turns" && i % 2 == 0) ? passes : !passes)
                await PassTogether(barrier);
            else
                EndBroken();
        }

        Faults.Signals.TrySend(sleeper.Id, Faults.Signals.Continue);
        Assert.True(await sleeper.JoinAsync(Patience, Token));
        Assert.Equal(outcome, await sleeper);

        void EndBroken()
        {
            barrier.Abort();
            barrier.Reset();
        }
    }

    private static string Come(SharedBarrier barrier)
    {
        try
        {
            Assert.Equal(new BarrierPassage(0, 0), barrier.SignalAndWait());
            return "passed";
        }
        catch (BrokenBarrierException failure)
        {
            return failure.IsPassageKnown ? "broken" : "nobody knows";
        }
    }

    [Fact]
    public async Task Dispose_BreaksForOtherProcesses()
    {
        SharedBarrier barrier = new(3);
        using Gate gate = new();
        WorkerProcess other = WorkerProcess.Start(static (SharedBarrier barrier, string broken) =>
        {
            try
            {
                barrier.SignalAndWait();
            }
            catch (BrokenBarrierException)
            {
                Gate.Open(broken);
            }
        }, barrier, gate.Path);
        await Eventually.True(() => barrier.Waiting == 1, "it waits");
        Task<BarrierPassage> own = barrier.SignalAndWaitAsync(null, Token).AsTask();
        barrier.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(() => own.InTime(TimeSpan.FromSeconds(2), Token));
        Assert.True(own.IsFaulted && own.Exception.InnerException is ObjectDisposedException);
        await gate.WaitAsync();
        await other.JoinAsync().InTime(Patience, Token);
        Assert.Throws<ObjectDisposedException>(() => barrier.SignalAndWait(null, Token));
    }

#if DEBUG
    /// <summary>Who is stopped right where it changes the barrier keeps nobody beyond their time.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Party_StoppedInTheMiddle_TheOthersTimesRunOn(bool cancel)
    {
        using SharedBarrier barrier = new(3);
        using Gate gate = new();
        using CancellationTokenSource cancellation = new();
        await using WorkerProcess<bool> stopped = WorkerProcess.Start(static (SharedBarrier barrier, string ready, string go) =>
        {
            FaultPoint.Arm(FaultStep.BarrierNamed, Fault.Stop);
            Gate.Open(ready);
            Gate.Wait(go);
            try
            {
                barrier.SignalAndWait();
                return false;
            }
            catch (BrokenBarrierException)
            {
                return true;
            }
        }, barrier, gate.Named("ready"), gate.Path);
        await Gate.WaitAsync(gate.Named("ready"));
        TimeSpan time = FairClock.Ordinary(TimeSpan.FromSeconds(2));
        Task<BarrierPassage?> early = barrier.TrySignalAndWaitAsync(cancel ? Timeout.InfiniteTimeSpan : time, null, cancellation.Token).AsTask();
        Task<BarrierPassage> patient = barrier.SignalAndWaitAsync(null, Token).AsTask();
        await Eventually.True(() => barrier.Waiting == 2, "both wait");
        gate.Open();
        await Eventually.True(() => early.IsCompleted || ProcessInventory.IsStopped(stopped.Id), "it is stopped");
        if (cancel)
        {
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => early.InTime(TimeSpan.FromSeconds(2), Token));
        }
        else
        {
            Assert.Null(await early.InTime(time + TimeSpan.FromSeconds(2), Token));
        }

        // So it is broken, though the guard is taken.
        Assert.True(barrier.IsBroken);
        await Assert.ThrowsAsync<BrokenBarrierException>(() => patient.InTime(TimeSpan.FromSeconds(2), Token));
        Assert.True(ProcessInventory.IsStopped(stopped.Id));
        SharedObjectFaults.Continue(stopped.Id);
        Assert.True(await stopped.JoinAsync(Patience, Token));
        Assert.True(await stopped);
        Assert.True(barrier.IsBroken);
        barrier.Reset();
        await PassTogether(barrier);
    }
#endif

    // Cell 0 counts actions; the others, by phase and index, who passed.
    private static void Pass(SharedBarrier barrier, SharedArray<int> cells, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            if (!barrier.TrySignalAndWait(Patience, out BarrierPassage passage, () => cells[0]++))
                throw new TimeoutException($"Round {round} was not passed.");
            if (passage.Phase != round || cells[0] < round + 1)
                throw new InvalidOperationException($"{passage} came in round {round} after {cells[0]} actions.");
            Interlocked.Increment(ref cells[1 + (round * 3) + passage.Index]);
        }
    }
}
