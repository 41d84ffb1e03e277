#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Waits for an event, or sets it for others that wait.</summary>
internal sealed record EventScenario(SharedEventMode Mode, bool Sets) : SyncScenario($"event, {Mode}, {(Sets ? "set" : "waited for")}")
{
    public override IEnumerable<FaultStep> Steps => Sets ? [FaultStep.EventSet] : [FaultStep.EventSleeping, FaultStep.EventTaken];

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedEvent shared = new(Mode);
        if (Sets)
            await RunSetAsync(stage, shared);
        else if (Mode == SharedEventMode.ManualReset)
            await RunManualWaitAsync(stage, shared);
        else
            await RunAutoWaitAsync(stage, shared);
    }

    // Whatever becomes of who sets it: it is set.
    private async Task RunSetAsync(SyncStage stage, SharedEvent shared)
    {
        Task<bool>[] living = [SyncStage.Run(() => shared.TryWait(SyncStage.Deadline)), shared.TryWaitAsync(SyncStage.Deadline).AsTask()];
        stage.Begin(stage.Pool.RunAsync(Set, shared, stage.Plan));
        await stage.MeetAsync();
        if (Mode == SharedEventMode.AutoReset)
        {
            await SyncStage.InBound(Task.WhenAny(living), "the first waiter");
            await SyncStage.NotYet(Task.WhenAll(living), "one Set has let two go on");
            shared.Set();
        }

        foreach (Task<bool> one in living)
            Assert.True(await SyncStage.InBound(one, "a waiter"));
        await stage.EndAsync();
        Assert.Equal(Mode == SharedEventMode.ManualReset, shared.IsSet);
    }

    private static async Task RunManualWaitAsync(SyncStage stage, SharedEvent shared)
    {
        stage.Begin(stage.Pool.RunAsync(WaitFor, shared, stage.Plan));
        await stage.UntilAsync(() => HasSleepers(shared), "the victim waits");
        Task<bool> living = shared.TryWaitAsync(SyncStage.Deadline).AsTask();
        shared.Set();
        shared.Reset();
        Assert.True(await SyncStage.InBound(living, "a waiter"));
        await stage.MeetAsync();

        // Also who was stopped meanwhile.
        await stage.EndAsync();
    }

    private static async Task RunAutoWaitAsync(SyncStage stage, SharedEvent shared)
    {
        stage.Begin(stage.Pool.RunAsync(WaitFor, shared, stage.Plan));
        await stage.UntilAsync(() => HasSleepers(shared), "the victim waits");
        shared.Set();
        await stage.MeetAsync();
        if (!stage.Kills && !stage.Stops)
            await Eventually.True(() => !shared.IsSet, "the victim goes on");
        bool hasTaken = !stage.IsAt(FaultStep.EventSleeping) || !(stage.Kills || stage.Stops);
        Task<bool> living = shared.TryWaitAsync(SyncStage.Deadline).AsTask();
        if (hasTaken)
        {
            await SyncStage.NotYet(living, "one Set has let two go on");
            shared.Set();
        }

        Assert.True(await SyncStage.InBound(living, "the next waiter"));
        if (stage.Stops && !hasTaken)
            shared.Set();
        await stage.EndAsync();
        Assert.False(shared.IsSet);
    }

    private static bool HasSleepers(SharedEvent shared) => (RawShared.Read(shared, 0) & SharedEventBody.Sleepers) != 0;

    private static VictimReport Set(SharedEvent shared, FaultPlan plan) => SyncVictim.Suffer(plan, () =>
    {
        SyncVictim.Until(() => HasSleepers(shared), "others wait");
        shared.Set();
    });

    private static VictimReport WaitFor(SharedEvent shared, FaultPlan plan) => SyncVictim.Suffer(plan, () => Assert.True(shared.TryWait(SyncStage.Deadline)));
}
#endif
