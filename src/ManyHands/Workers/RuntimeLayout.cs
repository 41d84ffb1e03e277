using System.Reflection;
using System.Runtime.InteropServices;

namespace ManyHands.Workers;

/// <summary>Where the files lie that a child needs to start as a copy of this program's runtime and assemblies, without its <c>Main</c>.</summary>
/// <param name="Muxer">The <c>dotnet</c> executable this process runs on.</param>
/// <param name="Arguments">Its arguments: <c>exec</c>, this program's own runtimeconfig and deps file, the worker's assembly, and what that is to call.</param>
internal sealed record RuntimeLayout(string Muxer, IReadOnlyList<string> Arguments)
{
    private static readonly Lazy<RuntimeLayout> Found = new(Find);

    /// <summary>The layout of the running program.</summary>
    /// <exception cref="PlatformNotSupportedException">Children can't start from a program published this way.</exception>
    public static RuntimeLayout Current => Found.Value;

    private static RuntimeLayout Find()
    {
        string library = typeof(RuntimeLayout).Assembly.Location;
        if (library.Length == 0)
        {
            throw new PlatformNotSupportedException(
                "This program is published as a single file or with NativeAOT, where worker processes can't start yet. "
                + "Publish it without PublishSingleFile and PublishAot, or use Pool.Threads.");
        }

        string muxer = Path.GetFullPath(Path.Combine(
            RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        if (!File.Exists(muxer))
        {
            throw new PlatformNotSupportedException(
                $"This program is self-contained (there is no {muxer}), so worker processes can't start yet. "
                + "Publish it framework-dependent (without --self-contained and PublishTrimmed), or use Pool.Threads.");
        }

        // The runtime looks for the program's assemblies from the worker's folder on, so the one in the program's folder comes first. The
        // library itself may lie deeper, where a package keeps what is compiled for one platform.
        string worker = Path.Combine(AppContext.BaseDirectory, "ManyHands.Worker.dll");
        if (!File.Exists(worker))
            worker = Path.Combine(Path.GetDirectoryName(library)!, "ManyHands.Worker.dll");
        if (!File.Exists(worker))
        {
            throw new FileNotFoundException(
                $"ManyHands.Worker.dll lies neither in {AppContext.BaseDirectory} nor beside {library}. It belongs to the ManyHands package; copy it to the program's output as well.", worker);
        }

        string deps = ((string?)AppContext.GetData("APP_CONTEXT_DEPS_FILES") ?? "").Split(';')[0];
        string stem = deps.EndsWith(".deps.json", StringComparison.Ordinal)
            ? deps[..^".deps.json".Length]
            : Path.Combine(AppContext.BaseDirectory, Assembly.GetEntryAssembly()?.GetName().Name ?? "");
        string runtimeConfig = stem + ".runtimeconfig.json";
        if (!File.Exists(runtimeConfig))
        {
            throw new FileNotFoundException(
                $"The program's {Path.GetFileName(runtimeConfig)} is not where it started from ({Path.GetDirectoryName(runtimeConfig)}). Worker processes start with it; put it back.", runtimeConfig);
        }

        List<string> arguments = ["exec", "--runtimeconfig", runtimeConfig];
        if (File.Exists(deps))
            arguments.AddRange(["--depsfile", deps]);
        arguments.Add(worker);
        arguments.Add(WorkerEntry.Address);
        return new RuntimeLayout(muxer, arguments);
    }
}
