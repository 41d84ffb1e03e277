using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace ManyHands.Tests.Serialization;

/// <summary>
/// Everything there is to know about a value as one text: exact types, all fields including private ones, the items of collections
/// and how they compare keys. Two values with the same portrait are equal, whatever their own Equals says.
/// </summary>
internal static class Portrait
{
    public static string Of<T>(T value)
    {
        StringBuilder text = new();
        Draw(text, value);
        return text.ToString();
    }

    private static void Draw(StringBuilder text, object? value)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case null:
                text.Append("null");
                return;
            case string words:
                foreach (char unit in words)
                    text.Append(CultureInfo.InvariantCulture, $"{(int)unit:x} ");
                text.Append('"');
                return;
            case double number:
                text.Append(CultureInfo.InvariantCulture, $"double {BitConverter.DoubleToInt64Bits(number):x}");
                return;
            case float number:
                text.Append(CultureInfo.InvariantCulture, $"float {BitConverter.SingleToInt32Bits(number):x}");
                return;
            case bool truth:
                // Any byte but 0 counts as true, but only 1 equals it.
                text.Append(CultureInfo.InvariantCulture, $"bool {Unsafe.BitCast<bool, byte>(truth)}");
                return;
            case DateTime time:
                text.Append(CultureInfo.InvariantCulture, $"{time.Ticks} {time.Kind}");
                return;
            case JsonElement element:
                text.Append(element.ValueKind == JsonValueKind.Undefined ? "undefined" : element.GetRawText());
                return;
            case JsonDocument document:
                text.Append(document.RootElement.GetRawText());
                return;
            case Uri uri:
                text.Append(CultureInfo.InvariantCulture, $"{uri.OriginalString} {uri.IsAbsoluteUri} {uri}");
                return;
            case CultureInfo culture:
                text.Append(CultureInfo.InvariantCulture, $"{culture.Name} {culture.IsReadOnly} {culture.NumberFormat.NumberDecimalSeparator}");
                return;
            case System.Net.IPAddress address:
                text.Append(address);
                return;
        }

        Type type = value.GetType();
        if (type.IsPrimitive || type.IsEnum)
        {
            text.Append(CultureInfo.InvariantCulture, $"{type} {Convert.ToString(value, CultureInfo.InvariantCulture)}");
            if (value is char unit)
                text.Append((int)unit);
            return;
        }

        text.Append(type.IsArray ? type.ToString() : type.FullName).Append('{');
        if (value is IEnumerable items && (type.IsArray || type.Namespace!.StartsWith("System.Collections", StringComparison.Ordinal) || type.IsSubclassOf(typeof(List<string>))))
            DrawItems(text, type, items);
        else if (type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(Memory<>) || type.GetGenericTypeDefinition() == typeof(ReadOnlyMemory<>)))
            Draw(text, type.GetMethod("ToArray")!.Invoke(value, null));
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ArraySegment<>))
            DrawItems(text, type, (IEnumerable)value);
        else
            DrawFields(text, type, value);
        text.Append('}');
    }

    private static void DrawItems(StringBuilder text, Type type, IEnumerable items)
    {
        if (items is Array array)
        {
            for (int dimension = 0; dimension < array.Rank; dimension++)
                text.Append(CultureInfo.InvariantCulture, $"{array.GetLowerBound(dimension)}+{array.GetLength(dimension)},");
        }

        List<string> drawn = [];
        foreach (object? item in items)
        {
            StringBuilder one = new();
            Draw(one, item);
            drawn.Add(one.ToString());
        }

        // Their order comes from hashes.
        string[] unordered = ["ImmutableHashSet", "ImmutableDictionary", "ConcurrentDictionary", "Frozen"];
        if (Array.Exists(unordered, name => type.Name.Contains(name, StringComparison.Ordinal)))
            drawn.Sort(StringComparer.Ordinal);
        text.AppendJoin("; ", drawn);
        if ((type.GetProperty("Comparer") ?? type.GetProperty("KeyComparer")) is { } comparer)
            DrawComparer(text, comparer.GetValue(items));
    }

    // Ordinal comparison is what strings do by default.
    private static void DrawComparer(StringBuilder text, object? comparer)
    {
        bool isOrdinal = comparer is IEqualityComparer<string?> words && StringComparer.IsWellKnownOrdinalComparer(words, out bool ignoresCase) && !ignoresCase;
        text.Append(isOrdinal ? "ordinal" : comparer?.GetType().ToString());
    }

    private static void DrawFields(StringBuilder text, Type type, object value)
    {
        for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
        {
            foreach (FieldInfo field in declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                text.Append(field.Name).Append('=');
                Draw(text, field.GetValue(value));
                text.Append(", ");
            }
        }
    }
}
