using System.Reflection;
using System.Runtime.CompilerServices;

namespace ManyHands.Serialization;

/// <summary>
/// Tells which keys certainly stay as equal and as different as they were when they are copied. Of others it must be seen: objects that
/// equal only themselves, and objects changed after they were put in.
/// </summary>
internal static class StableKeys
{
    // Records may hold each other; keys of so many levels are looked at one by one.
    private const int MostLevels = 4;

    public static bool Contains(Type key) => Contains(key, MostLevels);

    /// <summary>Tuples are values, so nobody can change one that is in a set.</summary>
    public static bool IsTuple(Type type) => (type.IsValueType && type.IsAssignableTo(typeof(ITuple))) || type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>);

    private static bool Contains(Type key, int levels)
    {
        if (levels == 0)
            return false;
        if (Nullable.GetUnderlyingType(key) is { } underlying)
            return Contains(underlying, levels);
        if (key.IsGenericType && IsTuple(key))
            return key.GetGenericArguments().All(part => Contains(part, levels - 1));
        return TravellingTypes.AreEqualByValue(key) || IsRecordOfKeys(key, levels - 1);
    }

    /// <summary>Whether the compiler wrote its Equals, which compares all fields, and these can't change.</summary>
    private static bool IsRecordOfKeys(Type type, int levels)
    {
        if (!type.IsValueType && type.BaseType != typeof(object))
            return false;
        MethodInfo? equals = type.GetMethod(nameof(Equals), BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly, [type]);
        return equals?.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false) == true
            && Array.TrueForAll(
                type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic),
                field => (field.IsInitOnly || type.IsValueType) && Contains(field.FieldType, levels) && !HiddenState.IsExcludedByUser(field));
    }
}
