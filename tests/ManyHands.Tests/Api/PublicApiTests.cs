using ManyHands.Tests.Samples;
using PublicApiGenerator;
using Xunit;

namespace ManyHands.Tests.Api;

public sealed class PublicApiTests
{
    /// <summary>A change of the public API shows in a file that a reviewer reads. If it is meant, copy the received file over the approved one.</summary>
    [Fact]
    public void PublicApi_IsTheApprovedOne()
    {
        string folder = Path.Combine(SampleProcess.RepositoryRoot(), "tests", "ManyHands.Tests", "Api");
        string approved = Path.Combine(folder, "ManyHands.approved.txt");
        string received = Path.Combine(folder, "ManyHands.received.txt");
        string api = typeof(Pool).Assembly.GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false }).ReplaceLineEndings("\n") + "\n";
        if (File.Exists(approved) && File.ReadAllText(approved) == api)
        {
            File.Delete(received);
            return;
        }

        File.WriteAllText(received, api);
        Assert.Fail($"The public API is not the approved one. Compare {received} with {approved}; if the change is meant, copy it over and write its line into CHANGELOG.md.");
    }

    [Fact]
    public void PublicTypes_AreInOneNamespace() =>
        Assert.All(typeof(Pool).Assembly.GetExportedTypes(), type => Assert.Equal("ManyHands", type.Namespace));
}
