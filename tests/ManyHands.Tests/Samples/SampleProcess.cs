using System.Diagnostics;
using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Samples;

/// <summary>Builds and runs the file-based apps in <c>samples/</c> the way a reader does: with the <c>dotnet</c> command.</summary>
internal static class SampleProcess
{
    // Ends what hangs; a build may take long on a busy machine.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);
    private static readonly Dictionary<string, Task> Builds = [];

    /// <summary>Runs a sample, such as <c>tutorial/lock</c>, until it ends; the first time, it is built before.</summary>
    public static async Task<SampleRun> RunAsync(string sample, params string[] arguments)
    {
        await BuildOnceAsync(sample);
        return await StartAsync([.. (string[])["run", "--no-build", FileOf(sample), "--"], .. arguments]);
    }

    /// <summary>Builds a sample that wasn't yet; before two of them run side by side.</summary>
    public static async Task BuildOnceAsync(string sample)
    {
        string file = FileOf(sample);
        Task? build;

        // Of the tests in this collection one runs at a time, so nobody else is building now.
        if (!Builds.TryGetValue(file, out build))
            Builds[file] = build = BuildAsync(file);
        await build;
    }

    private static string FileOf(string sample) => Path.Combine("samples", $"{sample}.cs");

    private static async Task BuildAsync(string file)
    {
        SampleRun build = await StartAsync("build", file);
        Assert.True(build.ExitCode == 0, $"{file} doesn't build.{Environment.NewLine}{build}");
    }

    /// <summary>Runs the <c>dotnet</c> command in the repository's root until it ends.</summary>
    public static Task<SampleRun> StartAsync(params string[] arguments) => StartAsync(DotnetWith(arguments));

    /// <summary>Runs a program until it ends, or kills it at the deadline and fails.</summary>
    public static async Task<SampleRun> StartAsync(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        string command = $"{Path.GetFileName(start.FileName)} {string.Join(' ', start.ArgumentList)}";
        using Process process = new() { StartInfo = start };
        List<string> output = [];
        List<string> errors = [];
        process.OutputDataReceived += (_, line) => Keep(output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(errors, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using CancellationTokenSource tooLong = new(Deadline);
        try
        {
            await process.WaitForExitAsync(tooLong.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"'{command}' hadn't ended after {Deadline.TotalSeconds} s.{Environment.NewLine}{Snapshot(exitCode: -1)}");
        }

        return Snapshot(process.ExitCode);

        SampleRun Snapshot(int exitCode)
        {
            lock (output)
            {
                lock (errors)
                    return new SampleRun(command, exitCode, [.. output], [.. errors]);
            }
        }
    }

    private static void Keep(List<string> lines, string? line)
    {
        lock (lines)
        {
            if (line is not null)
                lines.Add(line);
        }
    }

    private static ProcessStartInfo DotnetWith(string[] arguments) => new(DotnetCommand(), arguments)
    {
        WorkingDirectory = RepositoryRoot(),
        Environment =
        {
            ["DOTNET_NOLOGO"] = "1",
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",

            // Build servers would outlive the build and keep its output open, and the reading of it would never end.
            ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0",
            ["MSBUILDDISABLENODEREUSE"] = "1",
            ["UseSharedCompilation"] = "false",

            // Of the build that started the tests; a different one starts here.
            ["MSBUILD_EXE_PATH"] = null,
            ["MSBuildSDKsPath"] = null,
            ["MSBuildExtensionsPath"] = null,
        },
    };

    // The one that this process runs on, as the PATH may hold another or none.
    public static string DotnetCommand() => Path.GetFullPath(Path.Combine(
        RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    public static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ManyHands.slnx")))
            folder = folder.Parent;
        return folder?.FullName
            ?? throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds ManyHands.slnx. Run the tests from where they were built, inside the repository.");
    }
}

/// <summary>What a sample printed, line by line, and how it ended.</summary>
internal sealed record SampleRun(string Command, int ExitCode, IReadOnlyList<string> Output, IReadOnlyList<string> Errors)
{
    /// <summary>Everything, for the message of a test that fails.</summary>
    public override string ToString() => string.Join(
        Environment.NewLine,
        [$"'{Command}' exited with {ExitCode}.", "Output:", .. Output, "Errors:", .. Errors]);
}
