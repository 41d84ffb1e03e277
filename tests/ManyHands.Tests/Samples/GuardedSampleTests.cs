using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary><c>samples/guarded.cs</c>: who enters after a dead holder is told, and repairs.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class GuardedSampleTests
{
    [Fact]
    public async Task TheNextHolderRepairsWhatTheDeadOneLeft()
    {
        SampleRun run = await SampleProcess.RunAsync("guarded");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(
            ["Left by a dead worker: True; there are 3500.", "Left by a dead worker: False; there are 4000."],
            run.Output.Where(static line => line.StartsWith("Left", StringComparison.Ordinal)));
    }
}
