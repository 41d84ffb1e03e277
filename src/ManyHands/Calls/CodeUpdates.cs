using System.Reflection;
using System.Reflection.Metadata;

[assembly: MetadataUpdateHandler(typeof(ManyHands.Calls.CodeUpdates))]

namespace ManyHands.Calls;

/// <summary>
/// What hot reload has changed in this process. Workers load the code that lies on disk, which has the same build id and tokens, so they would run the old code without a word.
/// </summary>
internal static class CodeUpdates
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<string> Changed = new(StringComparer.OrdinalIgnoreCase);
    private static bool maybeAll;
    private static volatile int version;

    /// <summary>How many times code was changed; 0 as long as it is all as it lies on disk.</summary>
    public static int Version => version;

    /// <summary>Called by whatever applies changes (<c>dotnet watch</c>, a debugger), after that.</summary>
    /// <param name="types">The types that were changed; null or none if that isn't known, as of assemblies that are loaded later.</param>
    internal static void ClearCache(Type[]? types)
    {
        lock (Gate)
        {
            maybeAll |= types is null or [];
            Changed.UnionWith((types ?? []).Select(static type => type.Assembly.GetName().Name!));
            version++;
        }
    }

    /// <summary>The name of a changed assembly that code of these can get to by its references, or that is one of them; null if there is none.</summary>
    public static string? ReachedFrom(IEnumerable<Assembly> assemblies)
    {
        Dictionary<string, Assembly> loaded = new(StringComparer.OrdinalIgnoreCase);
        foreach (Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
            loaded.TryAdd(assembly.GetName().Name!, assembly);
        HashSet<Assembly> seen = [.. assemblies];
        Queue<Assembly> open = new(seen);
        lock (Gate)
        {
            while (open.TryDequeue(out Assembly? assembly))
            {
                string name = assembly.GetName().Name!;
                bool isFramework = FrameworkAssemblies.Has(assembly) || assembly == typeof(CodeUpdates).Assembly;
                if (Changed.Contains(name) || (maybeAll && !isFramework))
                    return name;
                if (isFramework)
                    continue;
                foreach (AssemblyName reference in assembly.GetReferencedAssemblies())
                {
                    if (loaded.TryGetValue(reference.Name!, out Assembly? next) && seen.Add(next))
                        open.Enqueue(next);
                }
            }
        }

        return null;
    }
}

/// <summary>Which assemblies are .NET's own.</summary>
internal static class FrameworkAssemblies
{
    public static bool Has(Assembly assembly) =>
        assembly == typeof(object).Assembly
        || assembly.GetName().Name is { } name && (name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal));
}
