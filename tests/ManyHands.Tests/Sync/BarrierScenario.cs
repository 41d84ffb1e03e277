#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Comes to a barrier of three, first or last.</summary>
internal sealed record BarrierScenario(bool ArrivesLast) : SyncScenario($"barrier, {(ArrivesLast ? "last" : "first")}")
{
    private static readonly FaultStep[] NotArrived = [FaultStep.BarrierGuarded, FaultStep.BarrierNamed];
    private static readonly FaultStep[] Arrived = [FaultStep.BarrierArrived, FaultStep.BarrierSleeping, FaultStep.BarrierComplete];
    private static readonly FaultStep[] StoppedAtGuard = [.. NotArrived, FaultStep.BarrierArrived, FaultStep.BarrierComplete];

    public override IEnumerable<FaultStep> Steps => ArrivesLast
        ? [FaultStep.BarrierGuarded, FaultStep.BarrierNamed, FaultStep.BarrierComplete, FaultStep.BarrierDecided, FaultStep.BarrierPublished, FaultStep.BarrierPassed]
        : [FaultStep.BarrierGuarded, FaultStep.BarrierNamed, FaultStep.BarrierArrived, FaultStep.BarrierSleeping, FaultStep.BarrierPassed];

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedBarrier barrier = new(3);
        bool breaks = stage.Kills && stage.IsAt(Arrived);
        List<Task<bool>> living = [];
        if (ArrivesLast)
        {
            living.AddRange(ComeTwice(barrier));
            await Eventually.True(() => barrier.Waiting == 2, "the living wait");
        }

        stage.Begin(stage.Pool.RunAsync(Come, barrier, stage.Plan));
        if (!ArrivesLast)
        {
            await stage.UntilAsync(() => barrier.Waiting == 1, "the victim waits");
            if (breaks)
            {
                // Only who waits looks for the dead.
                await stage.MeetAsync();
                Assert.False(await SyncStage.InBound(ComeAsync(barrier), "a party"));
            }

            living.AddRange(ComeTwice(barrier));
        }

        await stage.MeetAsync();
        if (stage.Stops && stage.IsAt(StoppedAtGuard))
        {
            await SyncStage.NotYet(Task.WhenAny(living), "a party went on without one that is stopped");
            stage.Continue();
        }

        // A process that ends before it came is waited for.
        if (stage.Kills && stage.IsAt(NotArrived))
        {
            await SyncStage.NotYet(Task.WhenAny(living), "a party went on without one that died before it came");
            living.Add(ComeAsync(barrier));
        }

        foreach (Task<bool> one in living)
            Assert.Equal(!breaks, await SyncStage.InBound(one, "a party"));
        await stage.EndAsync();
        Assert.Equal(breaks, barrier.IsBroken);
        if (breaks)
            barrier.Reset();
        foreach (Task<bool> one in (Task<bool>[])[.. ComeTwice(barrier), ComeAsync(barrier)])
            Assert.True(await SyncStage.InBound(one, "a party of the next phase"));
    }

    private static Task<bool>[] ComeTwice(SharedBarrier barrier) => [SyncStage.Run(() => Come(barrier)), ComeAsync(barrier)];

    private static bool Come(SharedBarrier barrier)
    {
        try
        {
            return barrier.TrySignalAndWait(SyncStage.Deadline, out _) ? true : throw new TimeoutException("The others didn't come.");
        }
        catch (BrokenBarrierException)
        {
            return false;
        }
    }

    private static async Task<bool> ComeAsync(SharedBarrier barrier)
    {
        try
        {
            return await barrier.TrySignalAndWaitAsync(SyncStage.Deadline) is not null ? true : throw new TimeoutException("The others didn't come.");
        }
        catch (BrokenBarrierException)
        {
            return false;
        }
    }

    private static VictimReport Come(SharedBarrier barrier, FaultPlan plan) => SyncVictim.Suffer(plan, () => Assert.True(Come(barrier)));
}
#endif
