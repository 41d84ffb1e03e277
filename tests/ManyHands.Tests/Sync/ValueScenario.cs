#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using ManyHands.Tests.Memory;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>Changes a value that needs a guard.</summary>
internal sealed record ValueScenario() : SyncScenario("value")
{
    public override IEnumerable<FaultStep> Steps => [FaultStep.ValueGuarded, FaultStep.ValueHalfWritten, FaultStep.ValueWritten, FaultStep.ValueCounted];

    public override async Task RunAsync(SyncStage stage)
    {
        using SharedValue<SharedValueTests.Wide> value = new(new(1));
        value.Value = new(2);
        stage.Begin(stage.Pool.RunAsync(Change, value, stage.Plan));
        await stage.MeetAsync();
        Task<SharedValueTests.Wide> read = SyncStage.Run(() => value.Value);
        if (stage.Stops)
            await SyncStage.NotYet(read, "a stopped process was robbed of the guard");
        stage.Continue();
        SharedValueTests.Wide seen = await SyncStage.InBound(read, "reading");
        Assert.True(seen == new SharedValueTests.Wide(2) || seen == new SharedValueTests.Wide(9), $"{seen} is torn");
        await stage.EndAsync();
        Assert.Equal(new SharedValueTests.Wide(stage.Kills && !stage.IsAt(FaultStep.ValueCounted) ? 2 : 9), value.Value);
        value.Value = new(5);
        Assert.Equal(new SharedValueTests.Wide(5), value.Exchange(new(6)));
    }

    private static VictimReport Change(SharedValue<SharedValueTests.Wide> value, FaultPlan plan) => SyncVictim.Suffer(plan, () => value.Value = new(9));
}
#endif
