using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ManyHands.Bench.Report;

/// <summary>What figures mean nothing without: the command, the date, the machine, the versions.</summary>
internal static class Machine
{
    private const string PythonVersions = """
        import importlib.metadata as packages, platform
        def version(name):
            try:
                return packages.version(name)
            except packages.PackageNotFoundError:
                return "missing"
        print(", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in ("gevent", "joblib", "pebble"))]))
        """;

    public static IReadOnlyList<(string Name, string Value)> Describe(IReadOnlyList<string> arguments)
    {
        string changed = Ask("git", "-C", Repository.Root, "status", "--porcelain", "--", "src").Length > 0 ? ", with changes under src" : "";
        string rpc = FileVersionInfo.GetVersionInfo(Path.Combine(Path.GetDirectoryName(Repository.Peer("JsonRpc"))!, "StreamJsonRpc.dll")).ProductVersion ?? "unknown";
        return
        [
            ("Command", $"`{string.Join(' ', ["bench/run", .. arguments])}`"),
            ("Date", $"{DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC"),
            ("Machine", $"{Field("/proc/cpuinfo", "model name")}, {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB"),
            ("System", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, {Field("/etc/os-release", "PRETTY_NAME").Trim('"')}"),
            ("ManyHands", Ask("git", "-C", Repository.Root, "rev-parse", "--short", "HEAD") + changed),
            ("Versions", $"{RuntimeInformation.FrameworkDescription}; {Ask(Repository.Python, "-c", PythonVersions)}; StreamJsonRpc {rpc.Split('+')[0]}; {Ask("cc", "--version").Split('\n')[0]}"),
        ];
    }

    private static string Field(string file, string name)
    {
        foreach (string line in File.Exists(file) ? File.ReadLines(file) : [])
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.IndexOfAny([':', '=']) is var separator and >= 0)
                return line[(separator + 1)..].Trim();
        }

        return "unknown";
    }

    private static string Ask(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            string answer = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return answer;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{program} missing";
        }
    }
}
