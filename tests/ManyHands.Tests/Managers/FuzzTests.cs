using System.Diagnostics;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>A few seconds of fuzzing each target. To go on: the command is in CONTRIBUTING.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class FuzzTests : LeakChecked
{
    [Theory]
    [InlineData("pickle")]
    [InlineData("frames")]
    [InlineData("python-handshake")]
    [InlineData("manager-handshake")]
    [InlineData("manager-requests")]
    [InlineData("manager-numbers")]
    [InlineData("manager-answers")]
    [InlineData("hostile-worker")]
    public async Task ATarget_KeepsItsPromises(string target)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string program = Path.Combine(SampleProcess.RepositoryRoot(), "tests", "ManyHands.Fuzz", "bin", configuration, "net10.0", "ManyHands.Fuzz.dll");
        SampleRun run = await SampleProcess.StartAsync(new ProcessStartInfo(SampleProcess.DotnetCommand(), [program, target, "--seconds", "3"]));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains(run.Output, line => line.StartsWith($"{target}: ", StringComparison.Ordinal) && line.Contains(" inputs in ", StringComparison.Ordinal));
    }
}
