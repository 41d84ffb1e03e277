using System.Collections.Concurrent;
using System.Reflection;

namespace ManyHands.Calls;

/// <summary>Where the holders of captured variables keep the object in whose method the lambda was written.</summary>
internal static class CapturedThis
{
    // The compiler's names; no name of a user's own can be one, since C# has no such.
    private const string FieldName = "<>4__this";
    private const string CachedDelegatePrefix = "<>9__";

    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Ways = new();

    /// <summary>Whether a field is that of a captured <c>this</c>.</summary>
    public static bool IsIn(FieldInfo field) => field.Name == FieldName && field.DeclaringType is { } owner && UsedCaptures.IsHolder(owner);

    /// <summary>Whether a field of a holder keeps a lambda for its next use; the other side makes its own.</summary>
    public static bool IsCachedDelegate(FieldInfo field) => field.Name.StartsWith(CachedDelegatePrefix, StringComparison.Ordinal) && typeof(Delegate).IsAssignableFrom(field.FieldType);

    /// <summary>The class of the <c>this</c> that a function's target has captured, which may derive from the one in which the lambda stands; null if there is none.</summary>
    public static Type? TypeIn(object? target)
    {
        if (target is null)
            return null;
        FieldInfo[] way = Ways.GetOrAdd(target.GetType(), static type => WayFrom(type) ?? []);
        if (way.Length == 0)
            return null;
        object? found = target;
        foreach (FieldInfo step in way)
            found = found is null ? null : step.GetValue(found);
        return found?.GetType();
    }

    private static FieldInfo[]? WayFrom(Type type)
    {
        if (!UsedCaptures.IsHolder(type))
            return null;
        FieldInfo[] fields = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
        if (Array.Find(fields, IsIn) is { } found)
            return [found];
        foreach (FieldInfo field in fields)
        {
            if (field.FieldType != type && WayFrom(field.FieldType) is { } rest)
                return [field, .. rest];
        }

        return null;
    }
}
