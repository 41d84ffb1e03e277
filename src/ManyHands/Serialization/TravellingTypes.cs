using System.Collections;
using System.Globalization;
using System.Net;
using System.Numerics;
using System.Text.Json;

namespace ManyHands.Serialization;

/// <summary>Types whose values travel as a whole, through a converter of ours or one of the serializer's that is known to be exact.</summary>
internal static class TravellingTypes
{
    private static readonly HashSet<Type> Known =
    [
        typeof(string),
        typeof(Version),
        typeof(BigInteger),
        typeof(Uri),
        typeof(CultureInfo),
        typeof(IPAddress),
        typeof(IPEndPoint),
        typeof(BitArray),
        typeof(JsonElement),
        typeof(JsonDocument),
    ];

    public static bool Contains(Type type) => Known.Contains(type) || SharedObjects.Is(type) || BitPatterns.IsSingleValue(type);

    /// <summary>Whether such values are equal by their content, which can't change.</summary>
    public static bool AreEqualByValue(Type type) =>
        Contains(type) && !SharedObjects.Is(type) && type != typeof(BitArray) && type != typeof(JsonElement) && type != typeof(JsonDocument);

    /// <summary>What must be looked at in a value of such a type.</summary>
    public static ValueCheck<T>? Check<T>()
    {
        // The framework derives from IPAddress itself, for its constants; they are addresses like others.
        if (typeof(T) == typeof(IPAddress))
            return null;
        ValueCheck<T>? exactType = ExactType.Check<T>();
        if (typeof(T) == typeof(Uri))
            return Then<T, Uri>(exactType, UriConverter.Examine);
        if (typeof(T) == typeof(CultureInfo))
            return Then<T, CultureInfo>(exactType, CultureConverter.Examine);
        return exactType;
    }

    private static ValueCheck<T> Then<T, TExact>(ValueCheck<T>? exactType, Func<TExact, Refusal?> examine) =>
        (in value, depth) => exactType?.Invoke(in value, depth) ?? (value is TExact exact ? examine(exact) : null);
}
