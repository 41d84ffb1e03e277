using System.Globalization;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Workers;

/// <summary>What a child has when its first call runs, and what it has been spared.</summary>
public sealed class WorkerStartTests : LeakChecked
{
    [Theory]
    [InlineData("ManyHands")]
    [InlineData("ManyHands.Worker")]
    public void Output_IsCompiledAheadOfTime(string assembly)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (System.Runtime.InteropServices.Architecture.X64 or System.Runtime.InteropServices.Architecture.Arm64))
            Assert.Skip("Done on Linux x64 and arm64 only.");
        string intermediate = Path.Combine(SampleProcess.RepositoryRoot(), "src", assembly, "obj", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "ReadyToRun");
        if (Directory.GetFiles(intermediate, "unavailable-*").Length > 0)
            Assert.Skip("The compiler's package can't be had here.");
        using PEReader reader = new(File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll")));
        Assert.NotEqual(0, reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size);
    }

    [Fact]
    public async Task FirstCall_OfSimpleValues_LoadsNoSerializer() =>
        Assert.Empty(await WorkerProcess.Start(static () => string.Join(' ', AppDomain.CurrentDomain.GetAssemblies()
            .Select(static assembly => assembly.GetName().Name)
            .Where(static name => name is "Nerdbank.MessagePack" or "PolyType" or "Microsoft.VisualStudio.Validation"))));

    [Fact]
    public async Task Culture_IsTheParents()
    {
        Assert.Equal(ProcessCulture(), await WorkerProcess.Start(ProcessCulture));
        (CultureInfo? culture, CultureInfo? texts) = (CultureInfo.DefaultThreadCurrentCulture, CultureInfo.DefaultThreadCurrentUICulture);
        try
        {
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.GetCultureInfo("de-DE");
            CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.GetCultureInfo("fr-FR");
            Assert.Equal("de-DE fr-FR", await WorkerProcess.Start(ProcessCulture));
        }
        finally
        {
            CultureInfo.DefaultThreadCurrentCulture = culture;
            CultureInfo.DefaultThreadCurrentUICulture = texts;
        }
    }

    private static string ProcessCulture() => $"{CultureInfo.CurrentCulture.Name} {CultureInfo.CurrentUICulture.Name}";
}
