using System.Diagnostics;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>Types and values that nobody thought of, through every engine. To go on, and with other seeds: the command is in CONTRIBUTING.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class GeneratedValueTests : LeakChecked
{
    [Fact]
    public async Task TenThousandValues_ArriveEqualOrAreRefusedByName()
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string program = Path.Combine(SampleProcess.RepositoryRoot(), "tests", "ManyHands.Values", "bin", configuration, "net10.0", "ManyHands.Values.dll");
        SampleRun run = await SampleProcess.StartAsync(new ProcessStartInfo(SampleProcess.DotnetCommand(), [program, "--values", "10000", "--seed", "20"]));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains(run.Output, static line => line.Contains(" 0 problems, seed 20", StringComparison.Ordinal));
    }
}
