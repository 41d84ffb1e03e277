using System.Collections.Concurrent;
using System.Reflection;

namespace ManyHands.Serialization;

/// <summary>
/// Tells whether a dictionary or set compares its keys in its own way. Such a comparer is code and stays behind, and the copy would
/// find other keys equal.
/// </summary>
internal static class ComparerFidelity
{
    private const BindingFlags Anyone = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    private static readonly ConcurrentDictionary<Type, Func<object, object?>[]> Readers = new();

    /// <summary>The refusal for a collection whose comparers, as far as they can be seen, aren't all the default ones.</summary>
    public static Refusal? Examine(object collection)
    {
        foreach (Func<object, object?> read in Readers.GetOrAdd(collection.GetType(), FindReaders))
        {
            switch (read(collection))
            {
                case null:
                    break;
                case Refusal found:
                    return found;
            }
        }

        return null;
    }

    public static Refusal? Examine<TKey>(IEqualityComparer<TKey>? comparer) =>
        comparer is null || comparer.Equals(EqualityComparer<TKey>.Default) || IsOrdinal(comparer) ? null : Refuse(comparer, "the default comparer");

    public static Refusal? Examine<TKey>(IComparer<TKey>? comparer) =>
        comparer is null || comparer.Equals(Comparer<TKey>.Default) || SortedOrder.Travels(comparer) ? null : Refuse(comparer, "the default order");

    /// <summary>For the two collections that take a comparer of texts along.</summary>
    public static Refusal? ExamineUnlessText<TKey>(IEqualityComparer<TKey> comparer) =>
        comparer is IEqualityComparer<string> text && TextComparison.Travels(text) ? null : Examine(comparer);

    private static bool IsOrdinal<TKey>(IEqualityComparer<TKey> comparer) =>
        comparer is IEqualityComparer<string?> text && StringComparer.IsWellKnownOrdinalComparer(text, out bool ignoresCase) && !ignoresCase;

    private static Refusal Refuse(object comparer, string usual) => Refusal.Here(
        $"compares its keys with {Describe(comparer)}, which stays behind",
        $"send a copy made with {usual}, and make one with your comparer inside the function (a Dictionary<string, T> or HashSet<string>, declared as such, keeps StringComparer.OrdinalIgnoreCase; sorted texts keep StringComparer.Ordinal and OrdinalIgnoreCase)");

    private static string Describe(object comparer)
    {
        if (ReferenceEquals(comparer, StringComparer.Ordinal))
            return "StringComparer.Ordinal";
        if (comparer is IEqualityComparer<string?> text && StringComparer.IsWellKnownOrdinalComparer(text, out bool ignoresCase) && ignoresCase)
            return "StringComparer.OrdinalIgnoreCase";
        return ReadableName.Of(comparer.GetType());
    }

    private static Func<object, object?>[] FindReaders(Type type)
    {
        List<Func<object, object?>> readers = [];
        foreach (string name in (ReadOnlySpan<string>)["Comparer", "KeyComparer", "ValueComparer"])
        {
            if (FindProperty(type, name) is { } property && FindExaminer(property.PropertyType) is { } examine)
                readers.Add(collection => examine.Invoke(null, [property.GetValue(collection)]));
        }

        // Read-only wrappers keep what they wrap to themselves, comparer and all.
        foreach (string name in (ReadOnlySpan<string>)["Dictionary", "Set"])
        {
            if (IsWrapper(type) && FindProperty(type, name) is { } property)
                readers.Add(collection => property.GetValue(collection) is { } wrapped ? Examine(wrapped) : null);
        }

        return [.. readers];
    }

    private static PropertyInfo? FindProperty(Type type, string name)
    {
        for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
        {
            if (declaring.GetProperty(name, Anyone | BindingFlags.DeclaredOnly) is { } property)
                return property;
        }

        return null;
    }

    private static MethodInfo? FindExaminer(Type comparer)
    {
        if (!comparer.IsGenericType)
            return null;
        Type definition = comparer.GetGenericTypeDefinition();
        if (definition != typeof(IEqualityComparer<>) && definition != typeof(IComparer<>))
            return null;
        MethodInfo generic = Array.Find(
            typeof(ComparerFidelity).GetMethods(BindingFlags.Static | BindingFlags.Public),
            method => method.Name == nameof(Examine) && method.IsGenericMethodDefinition && method.GetParameters()[0].ParameterType.GetGenericTypeDefinition() == definition)!;
        return generic.MakeGenericMethod(comparer.GetGenericArguments());
    }

    private static bool IsWrapper(Type type) => type.Namespace == "System.Collections.ObjectModel";
}
