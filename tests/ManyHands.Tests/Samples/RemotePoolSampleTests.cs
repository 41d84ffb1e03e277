using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary><c>samples/remote-pool.cs</c>: workers in processes of their own, one of which is lost in the middle of a call.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class RemotePoolSampleTests
{
    [Fact]
    public async Task TheOtherWorkerRunsWhatTheLostOneHad()
    {
        SampleRun run = await SampleProcess.RunAsync("remote-pool");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(["Primes below 100,000: 9592.", "It was done by the other worker.", "Workers left: 1."], run.Output);
    }
}
