using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary><c>samples/leases.cs</c>: what a dead worker had in hand goes to another.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class LeasesSampleTests
{
    [Fact]
    public async Task WhatTheDeadHadInHandIsDoneByAnother()
    {
        SampleRun run = await SampleProcess.RunAsync("leases");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(
            ["The first taster has ended: WorkerCrashedException.", "bread, honey, milk, poison (thrown away), salt"],
            run.Output.Where(static line => line.StartsWith("The first", StringComparison.Ordinal) || line.Contains(", ", StringComparison.Ordinal)));
    }
}
