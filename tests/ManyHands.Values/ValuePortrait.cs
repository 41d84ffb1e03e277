using System.Collections;
using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace ManyHands.Values;

/// <summary>
/// All of a value as a text: exact types, every field and its bits, the items of collections in the order they come in, and how these compare keys. Two
/// values are equal if their portraits are. It shares nothing with the library, whose judgement it checks.
/// </summary>
internal static class ValuePortrait
{
    private static readonly ConcurrentDictionary<Type, (FieldInfo Field, Type Declared)[]> Fields = new();

    public static string Of<T>(T value)
    {
        StringBuilder text = new(256);
        Draw(text, value, typeof(T));
        return text.ToString();
    }

    private static void Draw(StringBuilder text, object? value, Type declared)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case null:
                text.Append('-');
                return;
            case string words:
                text.Append('"');
                foreach (char unit in words)
                    _ = unit is >= ' ' and < (char)127 ? text.Append(unit) : text.Append('\\').Append((int)unit).Append(' ');
                text.Append('"');
                return;
            case bool truth:
                text.Append('b').Append(Unsafe.BitCast<bool, byte>(truth));
                return;
            case double number:
                text.Append('d').Append(BitConverter.DoubleToInt64Bits(number).ToString("x", CultureInfo.InvariantCulture));
                return;
            case float number:
                text.Append('f').Append(BitConverter.SingleToInt32Bits(number).ToString("x", CultureInfo.InvariantCulture));
                return;
            case char unit:
                text.Append('c').Append((int)unit);
                return;
            case Uri or Version:
                text.Append(value);
                return;
        }

        Type type = value.GetType();
        if (type.IsPrimitive)
        {
            text.Append(type.Name[0]).Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
            return;
        }

        if (type.IsEnum)
        {
            text.Append(type.Name).Append(Convert.ToString(Convert.ChangeType(value, Enum.GetUnderlyingType(type), CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));
            return;
        }

        Type definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        if (definition == typeof(Memory<>) || definition == typeof(ReadOnlyMemory<>))
            Draw(text, type.GetMethod("ToArray")!.Invoke(value, null), type.GetGenericArguments()[0].MakeArrayType());
        else if (type.GetCustomAttribute<InlineArrayAttribute>() is { } inline)
            DrawInline(text, value, type, inline.Length);
        else if (value is IEnumerable items)
            DrawItems(text, items, type, declared);
        else
            DrawFields(text, value, type);
    }

    private static void DrawFields(StringBuilder text, object value, Type type)
    {
        text.Append(type).Append('{');
        foreach ((FieldInfo field, Type declared) in Fields.GetOrAdd(type, static type => [.. FieldsOf(type).Select(static field => (field, field.FieldType))]))
        {
            text.Append(field.Name).Append('=');
            Draw(text, field.GetValue(value), declared);
            text.Append(' ');
        }

        text.Append('}');
    }

    private static void DrawItems(StringBuilder text, IEnumerable items, Type type, Type declared)
    {
        // What is declared as an interface may arrive as another class; all there is to it is its items.
        if (!declared.IsInterface)
        {
            text.Append(type);
            if ((type.GetProperty("Comparer") ?? type.GetProperty("KeyComparer"))?.GetValue(items) is { } comparer)
                text.Append('~').Append(comparer is IEqualityComparer<string?> words && StringComparer.IsWellKnownOrdinalComparer(words, out bool ignoresCase) ? (ignoresCase ? "caseless" : "ordinal") : comparer.GetType());
            // A class of one's own may have more than items.
            for (Type? own = type; own is not null && own.Assembly != typeof(object).Assembly && !own.FullName!.StartsWith("System.", StringComparison.Ordinal); own = own.BaseType)
            {
                foreach (FieldInfo field in own.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                {
                    text.Append(field.Name).Append('=');
                    Draw(text, field.GetValue(items), field.FieldType);
                }
            }
        }

        if (items is Array { Rank: > 1 } array)
        {
            for (int dimension = 0; dimension < array.Rank; dimension++)
                text.Append(array.GetLowerBound(dimension)).Append('+').Append(array.GetLength(dimension)).Append(',');
        }

        Type item = ItemOf(declared.IsInterface ? declared : type);
        text.Append('[');
        if (IsOrderedByHash(type))
        {
            List<string> drawn = [];
            foreach (object? each in items)
            {
                StringBuilder one = new();
                Draw(one, each, item);
                drawn.Add(one.ToString());
            }

            drawn.Sort(StringComparer.Ordinal);
            text.AppendJoin(';', drawn);
        }
        else
        {
            foreach (object? each in items)
            {
                Draw(text, each, item);
                text.Append(';');
            }
        }

        text.Append(']');
    }

    // Texts have other hashes in every process.
    private static bool IsOrderedByHash(Type type) =>
        type.FullName is { } name && (name.Contains(".Frozen", StringComparison.Ordinal) || name.Contains("ImmutableHashSet", StringComparison.Ordinal)
            || name.Contains("ImmutableDictionary", StringComparison.Ordinal) || name.Contains("ConcurrentDictionary", StringComparison.Ordinal));

    private static Type ItemOf(Type type)
    {
        if (type.IsArray)
            return type.GetElementType()!;
        IEnumerable<Type> candidates = type.IsInterface ? type.GetInterfaces().Prepend(type) : type.GetInterfaces();
        return candidates.FirstOrDefault(static one => one.IsGenericType && one.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0] ?? typeof(object);
    }

    private static void DrawInline(StringBuilder text, object value, Type type, int length)
    {
        Type item = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)[0].FieldType;
        object?[] items = (object?[])typeof(ValuePortrait).GetMethod(nameof(Items), BindingFlags.Static | BindingFlags.NonPublic)!.MakeGenericMethod(type, item).Invoke(null, [value, length])!;
        text.Append(type).Append('[');
        foreach (object? each in items)
        {
            Draw(text, each, item);
            text.Append(';');
        }

        text.Append(']');
    }

    private static object?[] Items<TArray, TItem>(TArray array, int length)
        where TArray : struct
    {
        ReadOnlySpan<TItem> span = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<TArray, TItem>(ref array), length);
        object?[] items = new object?[length];
        for (int index = 0; index < length; index++)
            items[index] = span[index];
        return items;
    }

    private static IEnumerable<FieldInfo> FieldsOf(Type type)
    {
        for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
        {
            foreach (FieldInfo field in declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                yield return field;
        }
    }
}
