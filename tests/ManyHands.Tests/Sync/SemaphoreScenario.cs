#if DEBUG
using System.Runtime.InteropServices;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

internal enum SemaphoreSituation
{
    PermitFree,
    VictimWaits,
    LivingWait,

    /// <summary>The only permit is a dead process's.</summary>
    DeadHolder,

    /// <summary>The same, and it died between taking the permit and counting it.</summary>
    DeadAtGuard,
}

/// <summary>Takes a permit and gives it back.</summary>
internal sealed record SemaphoreScenario(SemaphoreSituation Situation) : SyncScenario($"semaphore, {Situation}")
{
    private static readonly FaultStep[] AtGuard =
    [
        FaultStep.LockTakenOver, FaultStep.SemaphoreGuarded, FaultStep.SemaphorePlaced, FaultStep.PermitTaken, FaultStep.PermitCounted, FaultStep.PermitGivenBack, FaultStep.PermitAvailable,
        FaultStep.SemaphoreWaking, FaultStep.DeadPermitTaken,
    ];

    private static readonly int Guard = (int)Marshal.OffsetOf<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Guard));
    private static readonly int Sleepers = (int)Marshal.OffsetOf<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Sleepers));
    private static readonly int Available = (int)Marshal.OffsetOf<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Available));

    public override IEnumerable<FaultStep> Steps => Situation switch
    {
        SemaphoreSituation.PermitFree =>
        [
            FaultStep.SemaphoreGuarded, FaultStep.SemaphorePlaced, FaultStep.PermitTaken, FaultStep.PermitCounted, FaultStep.PermitGot, FaultStep.PermitGivenBack, FaultStep.PermitAvailable,
        ],
        SemaphoreSituation.VictimWaits => [FaultStep.SemaphoreGuarded, FaultStep.SemaphoreSleeping, FaultStep.PermitTaken, FaultStep.PermitGot],
        SemaphoreSituation.LivingWait => [FaultStep.PermitGivenBack, FaultStep.PermitAvailable, FaultStep.SemaphoreWaking],
        SemaphoreSituation.DeadHolder => [FaultStep.SemaphoreSleeping, FaultStep.DeadPermitTaken, FaultStep.PermitTaken, FaultStep.PermitGot],
        _ => [FaultStep.LockSleeping, FaultStep.LockTakenOver, FaultStep.SemaphoreGuarded, FaultStep.SemaphoreSleeping, FaultStep.DeadPermitTaken],
    };

    private int Maximum => Situation is SemaphoreSituation.PermitFree or SemaphoreSituation.VictimWaits ? 2 : 1;

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedSemaphore semaphore = new(Maximum, Maximum);
        using SharedArray<int> board = new(SemaphoreBoard.Length);
        int own = Situation switch
        {
            SemaphoreSituation.PermitFree => 1,
            SemaphoreSituation.VictimWaits => 2,
            _ => 0,
        };
        for (int i = 0; i < own; i++)
            Assert.True(semaphore.TryWait(TimeSpan.Zero));
        if (Situation is SemaphoreSituation.DeadHolder or SemaphoreSituation.DeadAtGuard)
            LeaveWithDead(semaphore);
        stage.Begin(stage.Pool.RunAsync(TakeAndGiveBack, (semaphore, board), (Maximum - Math.Min(own, 1), Situation == SemaphoreSituation.LivingWait), stage.Plan));

        List<Task<bool>> living = [];
        if (Situation == SemaphoreSituation.VictimWaits)
        {
            await stage.UntilAsync(() => RawShared.Read(semaphore, Sleepers) != 0, "the victim waits");
            own--;
            living.Add(SyncStage.Run(() => semaphore.Release() >= 0));
        }

        if (Situation == SemaphoreSituation.LivingWait)
        {
            await stage.UntilAsync(() => Volatile.Read(ref board[SemaphoreBoard.Holders]) == 1, "the victim has its permit");
            living.Add(SyncStage.Run(() => SemaphoreBoard.Hold(semaphore, board, 1)));
            living.Add(SemaphoreBoard.HoldAsync(semaphore, board, 1));
        }

        await stage.MeetAsync();
        bool isAtGuard = stage.IsAt(AtGuard);
        if (!(stage.Stops && isAtGuard))
            await AllAsync(living);
        if (stage.Stops)
            await CheckPatience(semaphore, isAtGuard || stage.IsAt(FaultStep.PermitGot));
        stage.Continue();
        await AllAsync(living);
        await stage.EndAsync();
        Assert.Equal(0, Volatile.Read(ref board[SemaphoreBoard.Crowds]));

        // All permits are there, once.
        for (int i = own; i < Maximum; i++)
            Assert.True(await SyncStage.InBound(semaphore.TryWaitAsync(SyncStage.Deadline).AsTask(), "a permit's return"), "a permit is lost");
        Assert.False(semaphore.TryWait(SyncStage.Glance), "there is a permit too many");
        Assert.Equal(0, semaphore.Release(Maximum));
        Assert.Equal(Maximum, semaphore.CurrentCount);
        Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
    }

    private void LeaveWithDead(SharedSemaphore semaphore)
    {
        RawShared.Write(semaphore, SharedSemaphoreBody.TableOffset + 16, RawShared.Dead);
        RawShared.Write(semaphore, SharedSemaphoreBody.TableOffset + 24, 1u);
        if (Situation == SemaphoreSituation.DeadAtGuard)
            RawShared.Write(semaphore, Guard, RawShared.Dead);
        else
            RawShared.Write(semaphore, Available, 0u);
    }

    private static async Task AllAsync(List<Task<bool>> living)
    {
        foreach (Task<bool> one in living)
            Assert.True(await SyncStage.InBound(one, "a living process's turn"));
    }

    // Who is stopped keeps its permit, and the guard; the others' time runs on.
    private static async Task CheckPatience(SharedSemaphore semaphore, bool holds)
    {
        if (!holds)
        {
            Assert.True(await SyncStage.InBound(semaphore.TryWaitAsync(SyncStage.Deadline).AsTask(), "taking what is free"));
            semaphore.Release();
            return;
        }

        Assert.False(await SyncStage.InBound(SyncStage.Run(() => semaphore.TryWait(SyncStage.Glance)), "giving up"), "a stopped process was robbed");
        Assert.False(await SyncStage.InBound(semaphore.TryWaitAsync(SyncStage.Glance).AsTask(), "giving up"), "a stopped process was robbed");
    }

    private static VictimReport TakeAndGiveBack((SharedSemaphore Semaphore, SharedArray<int> Board) shared, (int Most, bool UntilOthersWait) way, FaultPlan plan) => SyncVictim.Suffer(plan, () =>
        SemaphoreBoard.Hold(shared.Semaphore, shared.Board, way.Most, () =>
        {
            if (way.UntilOthersWait)
                SyncVictim.Until(() => RawShared.Read(shared.Semaphore, Sleepers) != 0, "others wait");
        }));
}

/// <summary>What all that take a permit write down.</summary>
internal static class SemaphoreBoard
{
    public const int Holders = 0;
    public const int Crowds = 1;
    public const int Length = 2;

    public static bool Hold(SharedSemaphore semaphore, SharedArray<int> board, int most, Action? action = null) =>
        semaphore.TryWait(SyncStage.Deadline) && GiveBack(semaphore, board, most, action);

    public static async Task<bool> HoldAsync(SharedSemaphore semaphore, SharedArray<int> board, int most) =>
        await semaphore.TryWaitAsync(SyncStage.Deadline) && GiveBack(semaphore, board, most, null);

    private static bool GiveBack(SharedSemaphore semaphore, SharedArray<int> board, int most, Action? action)
    {
        if (Interlocked.Increment(ref board[Holders]) > most)
            Interlocked.Increment(ref board[Crowds]);
        action?.Invoke();
        Interlocked.Decrement(ref board[Holders]);
        semaphore.Release();
        return true;
    }
}
#endif
