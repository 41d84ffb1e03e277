using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>The sample that shows what accidents cost.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class ContainmentTests
{
    [Fact]
    public async Task EachAccidentCostsItsCallOnly()
    {
        SampleRun run = await SampleProcess.RunAsync("containment");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(
            [
                "a wild pointer: signal 6.",
                "an endless loop: ended after 1 s.",
                "a leak without end: signal 9, because it used more memory than its limit of 256 MiB allows.",
                "a crash the first time: fine.",
                "And the pool still counts: 42.",
                "4 workers were lost, 2 calls completed.",
            ],
            run.Output);
    }
}
