#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

internal enum LockContention
{
    None,
    VictimWaits,
    LivingWait,
    DeadHolder,
}

/// <summary>Enters and leaves a lock, with and without others.</summary>
internal sealed record LockScenario(bool Reentrant, LockContention Contention) : SyncScenario($"lock, {(Reentrant ? "reentrant" : "plain")}, {Contention}")
{
    private static readonly FaultStep[] Held = [FaultStep.LockTakenOver, FaultStep.LockTaken, FaultStep.LockEntered, FaultStep.LockLeaving];

    public override IEnumerable<FaultStep> Steps
    {
        get
        {
            if (Contention is LockContention.VictimWaits or LockContention.DeadHolder)
                yield return FaultStep.LockSleeping;
            if (Contention == LockContention.DeadHolder)
                yield return FaultStep.LockTakenOver;
            yield return FaultStep.LockTaken;
            yield return FaultStep.LockEntered;
            if (Reentrant)
                yield return FaultStep.LockLeaving;
            if (Contention != LockContention.None)
                yield return FaultStep.LockReleased;
        }
    }

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedLock sharedLock = new(Reentrant);
        using SharedArray<int> board = new(LockBoard.Length);
        List<Task<bool>> living = [];
        if (Contention == LockContention.DeadHolder)
            RawShared.Write(sharedLock, 0, RawShared.Dead);
        if (Contention == LockContention.VictimWaits)
        {
            living.Add(SyncStage.Run(() => LockBoard.Visit(sharedLock, board, () => SyncVictim.Until(() => LockBoard.HasWaiters(sharedLock) || stage.HasHappened, "the victim waits"))));
            await Eventually.True(() => Volatile.Read(ref board[LockBoard.Inside]) == 1, "the lock is held");
        }

        stage.Begin(stage.Pool.RunAsync(Enter, (sharedLock, board), Contention == LockContention.LivingWait, stage.Plan));
        if (Contention == LockContention.LivingWait)
        {
            await stage.UntilAsync(() => Volatile.Read(ref board[LockBoard.Inside]) == 1, "the victim has entered");
            living.Add(SyncStage.Run(() => LockBoard.Visit(sharedLock, board)));
            living.Add(Reentrant ? SyncStage.Run(() => LockBoard.Visit(sharedLock, board)) : LockBoard.VisitAsync(sharedLock, board));
        }

        await stage.UntilAsync(() => Volatile.Read(ref board[LockBoard.VictimsVisits]) != 0, "the victim has entered");
        await stage.MeetAsync();
        bool isHeld = stage.IsAt(Held);
        if (stage.Stops && isHeld)
        {
            await LockBoard.CheckPatience(sharedLock);
            stage.Continue();
        }

        foreach (Task<bool> one in living)
            Assert.True(await SyncStage.InBound(one, "entering"));
        Assert.True(await SyncStage.InBound(SyncStage.Run(() => LockBoard.Visit(sharedLock, board) && LockBoard.Visit(sharedLock, board)), "entering"));
        if (!Reentrant)
            Assert.True(await SyncStage.InBound(LockBoard.VisitAsync(sharedLock, board), "entering"));
        await stage.EndAsync();
        int told = Contention == LockContention.DeadHolder
            ? stage.Kills && stage.IsAt(FaultStep.LockLeaving) ? 2 : 1
            : stage.Kills && isHeld ? 1 : 0;
        LockBoard.Check(board, told);
    }

    private static VictimReport Enter((SharedLock Lock, SharedArray<int> Board) shared, bool untilOthersWait, FaultPlan plan) => SyncVictim.Suffer(plan, () =>
        LockBoard.Visit(shared.Lock, shared.Board, () =>
        {
            if (untilOthersWait)
                SyncVictim.Until(() => LockBoard.HasWaiters(shared.Lock), "others wait");
            if (shared.Lock.IsReentrant)
                shared.Lock.Enter().Dispose();
            shared.Board[LockBoard.VictimsVisits]++;
        }));
}

/// <summary>What all that enter a lock write down, with the lock held.</summary>
internal static class LockBoard
{
    public const int Inside = 0;
    public const int VictimsVisits = 1;
    public const int Length = 4;
    private const int Told = 2;
    private const int Crowds = 3;

    public static unsafe bool HasWaiters(SharedLock sharedLock) => (Volatile.Read(ref sharedLock.Body->Word) & (1UL << 31)) != 0;

    public static bool Visit(SharedLock sharedLock, SharedArray<int> board, Action? action = null)
    {
        if (!sharedLock.TryEnter(SyncStage.Deadline, out SharedLock.Scope scope))
            return false;
        Stay(board, scope.WasAbandoned, action);
        scope.Dispose();
        return true;
    }

    public static async Task<bool> VisitAsync(SharedLock sharedLock, SharedArray<int> board)
    {
        if (await sharedLock.TryEnterAsync(SyncStage.Deadline) is not { } scope)
            return false;
        Stay(board, scope.WasAbandoned, null);
        scope.Dispose();
        return true;
    }

    /// <summary>Also for a stay that goes on after a wait.</summary>
    public static void Note(SharedArray<int> board, bool wasAbandoned)
    {
        if (!wasAbandoned)
            return;
        board[Told]++;
        board[Inside] = 0;
    }

    public static void Check(SharedArray<int> board, int told)
    {
        Assert.Equal(told, Volatile.Read(ref board[Told]));
        Assert.Equal((0, 0), (Volatile.Read(ref board[Inside]), Volatile.Read(ref board[Crowds])));
    }

    // Whoever is stopped keeps the lock it has; the others may give up, in time.
    public static async Task CheckPatience(SharedLock sharedLock)
    {
        Assert.False(await SyncStage.InBound(SyncStage.Run(() => sharedLock.TryEnter(SyncStage.Glance, out _) || sharedLock.TryEnter(out _)), "giving up"), "a stopped process was robbed");
        if (!sharedLock.IsReentrant)
            Assert.Null(await SyncStage.InBound(sharedLock.TryEnterAsync(SyncStage.Glance).AsTask(), "giving up"));
    }

    private static void Stay(SharedArray<int> board, bool wasAbandoned, Action? action)
    {
        Note(board, wasAbandoned);
        if (Interlocked.Increment(ref board[Inside]) != 1)
            board[Crowds]++;
        action?.Invoke();
        Interlocked.Decrement(ref board[Inside]);
    }
}
#endif
