using System.Runtime.InteropServices;

namespace ManyHands.Bench;

/// <summary>Where things are in the checkout that this program was built from, and on the machine.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Python { get; } = Environment.GetEnvironmentVariable("PYTHON") ?? "/usr/bin/python3";

    public static string DotNet { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));

    public static string Floor => Path.Combine(Root, "artifacts/bench/floor");

    public static string Notes => Path.Combine(Root, "bench/notes.md");

    public static string Results => Path.Combine(Root, "bench/RESULTS.md");

    public static string Artifact(string file) => Path.Combine(Root, "artifacts/bench", file);

    public static string Script(string file) => Path.Combine(Root, "bench/peers", file);

    /// <summary>A C# peer's assembly, of the same configuration as this program.</summary>
    public static string Peer(string project) => Path.Combine(Root, "bench/peers", project, "bin", Configuration, "net10.0", project + ".dll");

    // …/bin/<configuration>/net10.0/
    private static string Configuration => Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)!)!);

    private static string FindRoot()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "ManyHands.slnx")))
                return folder;
        }

        throw new InvalidOperationException($"There is no ManyHands.slnx above {AppContext.BaseDirectory}; run bench/run in a checkout.");
    }
}
