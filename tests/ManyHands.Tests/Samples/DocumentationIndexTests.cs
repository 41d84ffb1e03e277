using System.Text.RegularExpressions;
using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>The documentation index: the same index wherever and however it is made, whatever happens to its workers and files.</summary>
[Collection(SamplesDefinition.Name)]
public sealed partial class DocumentationIndexTests
{
    [Theory]
    [InlineData("--engine", "threads")]
    [InlineData("--engine", "inline")]
    [InlineData("--engine", "processes", "--workers", "1")]
    [InlineData("--engine", "processes", "--workers", "3")]
    [InlineData("--workers", "2", "--kill")]
    public async Task EveryEngineMakesTheSameIndexOfAFolderWithBrokenFiles(params string[] arguments)
    {
        using DocumentationFolder folder = DocumentationFolder.WithBrokenFiles();

        SampleRun usual = await IndexAsync("--folder", folder.Path, "Gadget0_7");
        SampleRun other = await IndexAsync(["--folder", folder.Path, .. arguments, "Gadget0_7"]);

        Assert.Equal(Digest(usual), Digest(other));
        Assert.Equal(Hits(usual), Hits(other));
        Assert.Contains("Gadget0_7", Hits(usual)[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileThatCanNotBeReadIsNamedWithTheReasonAndTheOthersAreIndexed()
    {
        using DocumentationFolder folder = DocumentationFolder.WithBrokenFiles();

        SampleRun run = await IndexAsync("--folder", folder.Path);

        Assert.Contains(run.Errors, line => line.Contains("malformed.xml", StringComparison.Ordinal) && line.Contains("Line 4", StringComparison.Ordinal));
        Assert.Contains(run.Errors, line => line.Contains("empty.xml", StringComparison.Ordinal) && line.Contains("Root element is missing", StringComparison.Ordinal));
        Assert.Contains(run.Errors, line => line.Contains("dtd.xml", StringComparison.Ordinal) && line.Contains("DTD is prohibited", StringComparison.Ordinal));
        if (folder.HasDeadLink)
            Assert.Contains(run.Errors, line => line.Contains("gone.xml", StringComparison.Ordinal) && line.Contains("Could not find", StringComparison.Ordinal));
        if (folder.HasForbiddenFile)
            Assert.Contains(run.Errors, line => line.Contains("forbidden.xml", StringComparison.Ordinal) && line.Contains("denied", StringComparison.Ordinal));
        int skipped = 3 + (folder.HasDeadLink ? 1 : 0) + (folder.HasForbiddenFile ? 1 : 0);
        Assert.EndsWith($", {skipped} files skipped.", run.Output[0], StringComparison.Ordinal);
        Assert.Contains($": {DocumentationFolder.DifferentMembers:N0} members", run.Output[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheSdkDocumentationAnswersWhatHasATimeoutInSemaphoreSlimAndSurvivesTheKillOfAWorker()
    {
        SampleRun usual = await IndexAsync("--engine", "processes", "SemaphoreSlim timeout");
        SampleRun killed = await IndexAsync("--engine", "processes", "--kill", "SemaphoreSlim timeout");

        string[] members = [.. Hits(usual).Where(line => Place().IsMatch(line))];
        Assert.All(members[..8], line => Assert.Matches(@"SemaphoreSlim\.Wait(Async)?\((Int32|TimeSpan)", line));
        Assert.Equal(Hits(usual), Hits(killed));
        Assert.Equal(Digest(usual), Digest(killed));
        if (OperatingSystem.IsWindows())
            return;
        string? crash = killed.Errors.FirstOrDefault(line => Crash().IsMatch(line));
        Assert.True(crash is not null, killed.ToString());
        string id = Crash().Match(crash).Groups["id"].Value;
        Assert.Contains(killed.Errors, line => line.StartsWith($"Killing process {id} ", StringComparison.Ordinal));
        Assert.DoesNotContain(usual.Errors, line => Crash().IsMatch(line));
    }

    [Fact]
    public async Task AKillIsReportedWithTheProcessTheSignalAndTheFile()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals.");
        using DocumentationFolder folder = DocumentationFolder.WithBrokenFiles();

        SampleRun run = await IndexAsync("--folder", folder.Path, "--workers", "2", "--kill");

        Assert.Contains(run.Errors, line => Crash().Match(line) is { Success: true } crash && crash.Groups["file"].Value.StartsWith(folder.Path, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("There is no option '--nonsense'", "--nonsense")]
    [InlineData("There is no engine 'coroutines'", "--engine", "coroutines")]
    [InlineData("--workers takes a number from 1 to 1000, not '0'", "--workers", "0")]
    [InlineData("--workers takes a number from 1 to 1000, not '-1'", "--workers", "-1")]
    [InlineData("--workers takes a number from 1 to 1000, not '99999999999'", "--workers", "99999999999")]
    [InlineData("--workers takes a number from 1 to 1000, not 'many'", "--workers", "many")]
    [InlineData("A value is missing after --folder", "--folder")]
    [InlineData("--kill needs processes", "--kill", "--engine", "threads")]
    public async Task AWrongCommandLineIsExplainedWithTheUsageAndExitCode2(string explanation, params string[] arguments)
    {
        SampleRun run = await SampleProcess.RunAsync("docindex", arguments);

        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains(explanation, run.Errors[0], StringComparison.Ordinal);
        Assert.StartsWith("Usage:", run.Errors[1], StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task AFolderThatDoesNotExistIsOneLineAndExitCode2()
    {
        using DocumentationFolder folder = new();
        string missing = Path.Combine(folder.Path, "missing");

        SampleRun run = await SampleProcess.RunAsync("docindex", "--folder", missing);

        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains($"There is no folder '{missing}'", Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFolderWithoutXmlFilesIsOneLineAndExitCode2()
    {
        using DocumentationFolder folder = new();

        SampleRun run = await SampleProcess.RunAsync("docindex", "--folder", folder.Path);

        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains($"no .xml files in '{folder.Path}'", Assert.Single(run.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task HelpIsTheUsageAndExitCode0()
    {
        SampleRun run = await IndexAsync("--help");

        Assert.StartsWith("Usage:", run.Output[0], StringComparison.Ordinal);
        Assert.Empty(run.Errors);
    }

    private static async Task<SampleRun> IndexAsync(params string[] arguments)
    {
        SampleRun run = await SampleProcess.RunAsync("docindex", arguments);
        Assert.True(run.ExitCode == 0, run.ToString());
        return run;
    }

    private static string Digest(SampleRun run) => Assert.Single(run.Output, line => DigestLine().IsMatch(line));

    // All that is printed after the counts, the time and the digest: the query and its members.
    private static string[] Hits(SampleRun run) => [.. run.Output.SkipWhile(line => line.Length > 0).Skip(1)];

    [GeneratedRegex("^Index digest: [0-9a-f]{64}$")]
    private static partial Regex DigestLine();

    [GeneratedRegex(@"^ +\d+\. ")]
    private static partial Regex Place();

    [GeneratedRegex(@"process (?<id>\d+)\).*signal 9 \(SIGKILL\).*Running (?<file>.+) again\.$")]
    private static partial Regex Crash();
}
