using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>The sample that shows an array shared by eight workers.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class SharedArraySampleTests
{
    [Fact]
    public async Task EightWorkersFillOneArray()
    {
        SampleRun run = await SampleProcess.RunAsync("shared-array");

        Assert.True(run.ExitCode == 0, run.ToString());
        string line = Assert.Single(run.Output);

        // The set's area is 1.507 of the 9 that are drawn; 50 steps leave some points too many.
        Assert.Matches(@"^8 workers drew 4.000.000 points; 1[78][.,]\d % of them are in the set\.$", line);
    }
}
