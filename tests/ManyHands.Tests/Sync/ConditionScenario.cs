#if DEBUG
using System.Runtime.InteropServices;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Waits with a lock for a notification, or notifies others.</summary>
internal sealed record ConditionScenario(bool Reentrant, bool All, bool Notifies)
    : SyncScenario($"condition of a {(Reentrant ? "reentrant" : "plain")} lock, {(All ? "NotifyAll" : "Notify")}, {(Notifies ? "notifies" : "waits")}")
{
    private static readonly FaultStep[] BeforeWait = [FaultStep.LockTaken, FaultStep.LockEntered, FaultStep.ConditionRegistered, FaultStep.ConditionSleeping];

    private static readonly FaultStep[] Held =
    [
        FaultStep.LockTaken, FaultStep.LockEntered, FaultStep.LockLeaving, FaultStep.ConditionRegistered, FaultStep.ConditionReentered, FaultStep.ConditionTaken, FaultStep.ConditionWaking,
        FaultStep.ConditionNotified,
    ];

    private static readonly int Waiting = Marshal.SizeOf<SharedLockBody>() + (int)Marshal.OffsetOf<SharedConditionBody>(nameof(SharedConditionBody.Waiting));

    public override IEnumerable<FaultStep> Steps
    {
        get
        {
            if (Notifies)
                return [FaultStep.ConditionWaking, FaultStep.ConditionNotified, .. Reentrant ? [FaultStep.LockLeaving] : Array.Empty<FaultStep>()];
            return [.. BeforeWait, FaultStep.ConditionWoken, FaultStep.ConditionReentered, .. All ? [] : (FaultStep[])[FaultStep.ConditionTaken]];
        }
    }

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedLock sharedLock = new(Reentrant);
        using SharedCondition condition = new(sharedLock);
        using SharedArray<int> board = new(LockBoard.Length);
        List<Task<bool>> living = [SyncStage.Run(() => Wait(condition, board))];
        if (Notifies)
            living.Add(Reentrant ? SyncStage.Run(() => Wait(condition, board)) : WaitAsync(condition, board));
        await Eventually.True(() => WaitingAt(condition) == living.Count, "the living wait");
        stage.Begin(Notifies ? stage.Pool.RunAsync(NotifyIt, (condition, board), All, stage.Plan) : stage.Pool.RunAsync(WaitForIt, condition, board, stage.Plan));
        bool isHeld = stage.IsAt(Held);
        if (!Notifies)
        {
            await stage.UntilAsync(() => WaitingAt(condition) == 2, "the victim waits");
            if (stage.IsAt(BeforeWait))
            {
                await stage.MeetAsync();
                await PassStop(stage, sharedLock, isHeld);
            }

            Assert.True(await SyncStage.InBound(SyncStage.Run(() => Notify(condition, board, All)), "notifying"));
        }

        await stage.MeetAsync();
        if (Notifies && stage.Stops && isHeld)
            await SyncStage.NotYet(Task.WhenAny(living), "a waiter went on while a stopped process has the lock");
        await PassStop(stage, sharedLock, isHeld);

        // Whoever is killed before it has notified anyone hasn't; the next one that does reaches all.
        if (stage.Kills && stage.IsAt(FaultStep.ConditionWaking))
            Assert.True(await SyncStage.InBound(SyncStage.Run(() => Notify(condition, board, All)), "notifying"));
        foreach (Task<bool> one in living)
            Assert.True(await SyncStage.InBound(one, "a waiter"));
        await stage.EndAsync();

        // Those that come later are reached too, whatever was left.
        uint dead = WaitingAt(condition);
        Task<bool> next = SyncStage.Run(() => Wait(condition, board));
        await Eventually.True(() => WaitingAt(condition) == dead + 1, "the next waits");
        Assert.True(await SyncStage.InBound(SyncStage.Run(() => Notify(condition, board, All)), "notifying"));
        Assert.True(await SyncStage.InBound(next, "the next waiter"));
        LockBoard.Check(board, stage.Kills && isHeld ? 1 : 0);
    }

    private static async Task PassStop(SyncStage stage, SharedLock sharedLock, bool isHeld)
    {
        if (!stage.Stops || !isHeld)
            return;
        await LockBoard.CheckPatience(sharedLock);
        stage.Continue();
    }

    private static uint WaitingAt(SharedCondition condition) => RawShared.Read(condition, Waiting);

    private static bool Wait(SharedCondition condition, SharedArray<int> board)
    {
        using SharedLock.Scope scope = condition.Lock.Enter();
        LockBoard.Note(board, scope.WasAbandoned);
        bool notified = condition.TryWait(SyncStage.Deadline);
        LockBoard.Note(board, condition.Lock.WasAbandoned);
        return notified;
    }

    private static async Task<bool> WaitAsync(SharedCondition condition, SharedArray<int> board)
    {
        using SharedLock.Scope scope = await condition.Lock.EnterAsync();
        LockBoard.Note(board, scope.WasAbandoned);
        bool notified = await condition.TryWaitAsync(SyncStage.Deadline);
        LockBoard.Note(board, condition.Lock.WasAbandoned);
        return notified;
    }

    private static bool Notify(SharedCondition condition, SharedArray<int> board, bool all) => LockBoard.Visit(condition.Lock, board, () =>
    {
        if (all)
            condition.NotifyAll();
        else
            condition.Notify(2);
    });

    private static VictimReport WaitForIt(SharedCondition condition, SharedArray<int> board, FaultPlan plan) => SyncVictim.Suffer(plan, () => Assert.True(Wait(condition, board)));

    private static VictimReport NotifyIt((SharedCondition Condition, SharedArray<int> Board) shared, bool all, FaultPlan plan) => SyncVictim.Suffer(plan, () => Notify(shared.Condition, shared.Board, all));
}
#endif
