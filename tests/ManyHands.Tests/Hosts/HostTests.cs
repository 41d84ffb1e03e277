using System.Diagnostics;
using System.Globalization;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Hosts;

/// <summary>Children start from every ordinary host, and the host's <c>Main</c> runs in none of them.</summary>
[Collection(SamplesDefinition.Name)]
public sealed class HostTests(PublishedBuilds builds) : LeakChecked, IClassFixture<PublishedBuilds>
{
    // What NuGet says when the source has no such package, no such version, or can't be reached.
    private static readonly string[] NoPackage = ["NU1101", "NU1102", "NU1301"];

    private static string Root => SampleProcess.RepositoryRoot();

    // Debug or Release: as the tests themselves.
    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    [Fact]
    public async Task Console_ByItsExecutable() => CheckConsole(await Start(Built("ConsoleHost", "ConsoleHost")));

    [Fact]
    public async Task Console_ByDotnet() => CheckConsole(await Start(SampleProcess.DotnetCommand(), Built("ConsoleHost", "ConsoleHost.dll")));

    [Fact]
    public async Task Console_WithoutEnvironment_FromAnotherDirectory()
    {
        ProcessStartInfo start = new(SampleProcess.DotnetCommand(), [Built("ConsoleHost", "ConsoleHost.dll")]) { WorkingDirectory = "/" };
        start.Environment.Clear();
        CheckConsole(await SampleProcess.StartAsync(start));
    }

    [Fact]
    public async Task Console_WithoutStandardStreams()
    {
        using Gate gate = new();
        SampleRun run = await Start("/bin/sh", "-c", $"exec '{SampleProcess.DotnetCommand()}' '{Built("ConsoleHost", "ConsoleHost.dll")}' '{gate.Path}' <&- >&- 2>&-");
        Assert.True(run.ExitCode == 0, run.ToString());
        CheckConsole(run with { Output = File.ReadAllLines(gate.Path) });
    }

    [Fact]
    public async Task FileBasedApp_WithDefaultSettings()
    {
        SampleRun run = await SampleProcess.StartAsync("run", "tests/Hosts/FileBasedHost/host.cs");
        CheckJson(run);
        Assert.Contains("Order { Item = tea, Count = 2 }", run.Output);
    }

    [Fact]
    public async Task Xunit_ByItsExecutable()
    {
        SampleRun run = await Start(Built("XunitHost", "XunitHost"));
        Assert.True(run.ExitCode == 0, run.ToString());
    }

    [Fact]
    public async Task Xunit_ByDotnetTest()
    {
        SampleRun run = await SampleProcess.StartAsync("test", "--project", "tests/Hosts/XunitHost/XunitHost.csproj", "--no-build", "--configuration", Configuration);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains(run.Output, line => line.Contains("succeeded: 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AspNet()
    {
        SampleRun run = await Start(SampleProcess.DotnetCommand(), Built("AspNetHost", "AspNetHost.dll"));
        CheckJson(run);
        Assert.EndsWith("42 HttpContext", run.Output.Single(line => line.StartsWith("JSON", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PublishedFrameworkDependent_Works()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("published-");
        try
        {
            SampleRun publish = await Publish(folder, "--self-contained", "false");
            Assert.True(publish.ExitCode == 0, publish.ToString());
            CheckConsole(await Start(SampleProcess.DotnetCommand(), Path.Combine(folder.FullName, "out", "ConsoleHost.dll")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("PublishSingleFile", "--self-contained", "false", "-p:PublishSingleFile=true")]
    [InlineData("framework-dependent", "--self-contained", "true")]
    public async Task PublishedInAWayThatCannotWorkYet_SaysWhatToDo(string remedy, params string[] options)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("published-");
        try
        {
            SampleRun publish = await Publish(folder, ["-r", System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier, .. options]);
            if (publish.Output.FirstOrDefault(static line => NoPackage.Any(code => line.Contains(code, StringComparison.Ordinal))) is { } reason)
                Assert.Skip($"'{string.Join(' ', options)}' needs a package that can't be had here: {reason}");
            Assert.True(publish.ExitCode == 0, publish.ToString());
            SampleRun run = await Start(Path.Combine(folder.FullName, "out", "ConsoleHost"));
            Assert.True(run.ExitCode == 3, run.ToString());
            string refusal = run.Output.Single(line => line.StartsWith("REFUSED", StringComparison.Ordinal));
            Assert.Contains(remedy, refusal, StringComparison.Ordinal);
            Assert.Contains("Pool.Threads", refusal, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task ForgottenPoolAndWorker_DontKeepTheHost_AndEndWithIt()
    {
        SampleRun run = await Start(Built("ConsoleHost", "ConsoleHost"), "forget");
        Assert.True(run.ExitCode == 0, run.ToString());
        int[] children = [.. run.Output.Skip(1).Select(line => int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture))];
        Assert.Equal(2, children.Length);
        await Eventually.True(() => !children.Any(ProcessInventory.IsAlive), "its children have ended", seconds: 2);
    }

    /// <summary>Workers that start later load the file that lies there now. The ones that live go on with what they have.</summary>
    [Theory]
    [InlineData("ManyHands.dll")]
    [InlineData("ConsoleHost.dll")]
    public async Task FileReplacedUnderAHost_IsRefused_WithBothBuilds(string file)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("replaced-");
        try
        {
            string built = Path.GetDirectoryName(Built("ConsoleHost", "ConsoleHost.dll"))!;
            foreach (string one in Directory.GetFiles(built))
                File.Copy(one, Path.Combine(folder.FullName, Path.GetFileName(one)));
            (string newer, Guid old, Guid other) = OtherBuild(Path.Combine(folder.FullName, file));
            SampleRun run = await Start(SampleProcess.DotnetCommand(), Path.Combine(folder.FullName, "ConsoleHost.dll"), "replaced", file, newer);
            Assert.True(run.ExitCode == 0, run.ToString());
            Assert.Contains("BEFORE 42", run.Output);
            Assert.Contains("LIVING 42", run.Output);
            string after = run.Output.Single(static line => line.StartsWith("AFTER", StringComparison.Ordinal));
            Assert.All((string[])[$"{old}", $"{other}", file[..^".dll".Length], "Restart the program"], words => Assert.Contains(words, after, StringComparison.OrdinalIgnoreCase));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task CodeChangedByHotReload_IsRefused_AndAllElseRuns()
    {
        ProcessStartInfo start = new(SampleProcess.DotnetCommand(), [Built("ConsoleHost", "ConsoleHost.dll"), "updated"]);
        start.Environment["DOTNET_MODIFIABLE_ASSEMBLIES"] = "debug";
        SampleRun run = await SampleProcess.StartAsync(start);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("BEFORE 42 42", run.Output);
        Assert.Contains("CHANGED 43 43", run.Output);
        foreach (string what in (string[])["FUNCTION", "LAMBDA", "MAP", "PROCESS", "ARGUMENT"])
        {
            string line = run.Output.Single(line => line.StartsWith(what, StringComparison.Ordinal));
            Assert.All((string[])["refused", "hot reload", "ConsoleHost", "Restart"], words => Assert.Contains(words, line, StringComparison.Ordinal));
        }

        Assert.Contains("OTHER 7", run.Output);
        Assert.Contains("LIBRARY 1", run.Output);
    }

    [Fact]
    public async Task HostKilledInACall_ChildrenEnd_AndItsOutputCloses()
    {
        using Gate gate = new();
        using Process host = new()
        {
            StartInfo = new(SampleProcess.DotnetCommand(), [Built("ConsoleHost", "ConsoleHost.dll"), "wait", gate.Path]) { RedirectStandardOutput = true },
        };
        host.Start();
        await gate.WaitAsync();
        int child = int.Parse(File.ReadAllText(gate.Path), CultureInfo.InvariantCulture);
        Assert.True(ProcessInventory.IsAlive(child));
        host.Kill();

        // Whoever inherited the host's output would keep this from ending.
        await host.StandardOutput.ReadToEndAsync().InTime(TimeSpan.FromSeconds(5));
        await Eventually.True(() => !ProcessInventory.IsAlive(child), "the child in its endless loop has ended", seconds: 2);
        await host.WaitForExitAsync();
    }

    private static string Built(string project, string file) => Path.Combine(Root, "tests", "Hosts", project, "bin", Configuration, "net10.0", file);

    // The same code under another build id, which is all that tells builds apart.
    private static (string File, Guid Old, Guid Other) OtherBuild(string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        using PEReader image = new(new MemoryStream(bytes));
        MetadataReader reader = image.GetMetadataReader();
        Guid old = reader.GetGuid(reader.GetModuleDefinition().Mvid);
        Guid other = Guid.NewGuid();
        int at = bytes.AsSpan().IndexOf(old.ToByteArray());
        other.ToByteArray().CopyTo(bytes, at);
        File.WriteAllBytes(file + ".other", bytes);
        return (file + ".other", old, other);
    }

    private static Task<SampleRun> Start(string program, params string[] arguments) => SampleProcess.StartAsync(new ProcessStartInfo(program, arguments));

    // With folders of their own, so that the ordinary build's are left alone; that has also had the analyzers' say.
    private Task<SampleRun> Publish(DirectoryInfo folder, params string[] options) => SampleProcess.StartAsync(
        [.. (string[])["publish", "tests/Hosts/ConsoleHost/ConsoleHost.csproj", "--artifacts-path", builds.Path, "-o", Path.Combine(folder.FullName, "out"), "-p:RunAnalyzers=false"], .. options]);

    private static void CheckConsole(SampleRun run)
    {
        CheckJson(run);
        string[] ids = [.. run.Output.Select(line => line.Split(' ')[1])];
        Assert.Equal("7", run.Output.Single(line => line.StartsWith("CHILD", StringComparison.Ordinal)).Split(' ')[2]);
        string[] nested = run.Output.Single(line => line.StartsWith("NESTED", StringComparison.Ordinal)).Split(' ');
        Assert.Equal(3, new HashSet<string>([ids[0], nested[1], nested[2]]).Count);
    }

    private static void CheckJson(SampleRun run)
    {
        Assert.True(run.ExitCode == 0, run.ToString());
        string host = Assert.Single(run.Output, line => line.StartsWith("MAIN", StringComparison.Ordinal)).Split(' ')[1];
        string[] json = run.Output.Single(line => line.StartsWith("JSON", StringComparison.Ordinal)).Split(' ');
        Assert.NotEqual(host, json[1]);
        Assert.Equal("42", json[2]);
    }
}

/// <summary>Where what is published is built: the library once, for all ways of publishing a program.</summary>
public sealed class PublishedBuilds : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("builds-");

    public string Path => directory.FullName;

    public void Dispose() => directory.Delete(recursive: true);
}
