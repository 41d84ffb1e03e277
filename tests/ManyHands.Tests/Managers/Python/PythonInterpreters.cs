using System.Diagnostics;
using System.Text.RegularExpressions;

namespace ManyHands.Tests.Managers;

/// <summary>The Python 3 interpreters of this machine, from 3.8, one of each version.</summary>
public static partial class PythonInterpreters
{
    private static readonly Lazy<IReadOnlyList<PythonInterpreter>> Found = new(Find);

    public static IReadOnlyList<PythonInterpreter> All => Found.Value;

    /// <summary>The version of the newest that was found; null if there is none.</summary>
    public static string? Newest => All.Count == 0 ? null : All[^1].Version;

    /// <summary>For theories: the versions, or one null that makes the test skip by name.</summary>
    public static Xunit.TheoryData<string?> Versions => All.Count == 0 ? new() { (string?)null } : [.. All.Select(static python => python.Version)];

    /// <summary>The interpreter of this version; skips the running test, loudly, where there is none.</summary>
    public static PythonInterpreter Of(string? version)
    {
        Xunit.Assert.SkipWhen(version is null, "No Python from 3.8 is on this machine: nothing was tested against a real one.");
        return All.Single(python => python.Version == version);
    }

    private static List<PythonInterpreter> Find()
    {
        IEnumerable<string> onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Where(Directory.Exists).SelectMany(static folder => Directory.EnumerateFiles(folder, "python3*")).Where(static file => Executable().IsMatch(file));
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string managed = Path.Combine(home, ".pyenv", "versions");
        IEnumerable<string> ofPyenv = Directory.Exists(managed) ? Directory.EnumerateDirectories(managed).Select(static folder => Path.Combine(folder, "bin", "python3")) : [];
        return [.. ofPyenv.Concat(onPath).Append("/usr/bin/python3").Where(File.Exists).Select(Examine).OfType<PythonInterpreter>().DistinctBy(static python => python.Version).OrderBy(static python => python.Minor)];
    }

    private static PythonInterpreter? Examine(string path)
    {
        // A shim of a version manager is no interpreter: it starts one if it is in the mood.
        if (path.Contains("/shims/", StringComparison.Ordinal))
            return null;
        using Process process = Process.Start(new ProcessStartInfo(path, ["-I", "-c", "import sys, multiprocessing.managers; print(*sys.version_info[:3])"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        int[] version = process.ExitCode != 0 ? [] : [.. output.Split().Where(static part => part.Length > 0).Select(int.Parse)];
        return version is [3, >= 8 and var minor, var patch] ? new(path, minor, $"3.{minor}.{patch}") : null;
    }

    [GeneratedRegex(@"/python3(\.\d+)?$")]
    private static partial Regex Executable();
}

/// <summary>One interpreter.</summary>
public sealed record PythonInterpreter(string Path, int Minor, string Version)
{
    /// <summary>Runs a script to its end and returns what it printed; fails the test, with what it complained of, if it didn't end well.</summary>
    public async Task<string> RunAsync(string script, params string[] arguments)
    {
        using PythonProcess process = Start(script, arguments);
        return await process.EndAsync();
    }

    /// <summary>Starts a script, given as text.</summary>
    public PythonProcess Start(string script, params string[] arguments) => new(this, script, arguments);
}

/// <summary>A running script. Disposing of it kills it and its children.</summary>
public sealed class PythonProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process process;
    private readonly Task<string> errors;
    private readonly string version;

    internal PythonProcess(PythonInterpreter python, string script, string[] arguments)
    {
        version = python.Version;
        process = Process.Start(new ProcessStartInfo(python.Path, ["-I", "-u", "-c", script, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        errors = process.StandardError.ReadToEndAsync();
    }

    public int Id => process.Id;

    /// <summary>The next line that it prints; null at its end.</summary>
    public async Task<string?> ReadLineAsync() => await process.StandardOutput.ReadLineAsync().InTime(Patience);

    public async Task WriteLineAsync(string line)
    {
        await process.StandardInput.WriteLineAsync(line);
        await process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for its end and returns what it printed and wasn't read yet.</summary>
    public async Task<string> EndAsync()
    {
        process.StandardInput.Close();
        string output = await process.StandardOutput.ReadToEndAsync().InTime(Patience);
        await process.WaitForExitAsync().InTime(Patience);
        Xunit.Assert.True(process.ExitCode == 0, $"Python {version} ended with {process.ExitCode}:\n{output}\n{await errors}");
        return output;
    }

    public void Kill() => process.Kill(entireProcessTree: true);

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }
}
