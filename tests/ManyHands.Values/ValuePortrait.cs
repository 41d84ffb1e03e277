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
    private static readonly ConcurrentDictionary<Type, Anatomy> Anatomies = new();

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
        Anatomy anatomy = Anatomies.GetOrAdd(type, static type => new(type));
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

        if (anatomy.ToArray is { } toArray)
            Draw(text, toArray.Invoke(value, null), toArray.ReturnType);
        else if (anatomy.InlineLength > 0)
            DrawInline(text, value, type, anatomy.InlineLength);
        else if (value is IEnumerable items)
            DrawItems(text, items, anatomy, declared);
        else
            DrawFields(text, value, anatomy);
    }

    private static void DrawFields(StringBuilder text, object value, Anatomy anatomy)
    {
        text.Append(anatomy.Name).Append('{');
        foreach (FieldInfo field in anatomy.Fields)
        {
            text.Append(field.Name).Append('=');
            Draw(text, field.GetValue(value), field.FieldType);
            text.Append(' ');
        }

        text.Append('}');
    }

    private static void DrawItems(StringBuilder text, IEnumerable items, Anatomy anatomy, Type declared)
    {
        // What is declared as an interface may arrive as another class; all there is to it is its items.
        if (!declared.IsInterface)
        {
            text.Append(anatomy.Name);
            if (anatomy.Comparer?.GetValue(items) is { } comparer)
                text.Append('~').Append(comparer is IEqualityComparer<string?> words && StringComparer.IsWellKnownOrdinalComparer(words, out bool ignoresCase) ? (ignoresCase ? "caseless" : "ordinal") : comparer.GetType());
            // A class of one's own may have more than items.
            foreach (FieldInfo field in anatomy.Fields.Where(static field => !field.DeclaringType!.FullName!.StartsWith("System.", StringComparison.Ordinal)))
            {
                text.Append(field.Name).Append('=');
                Draw(text, field.GetValue(items), field.FieldType);
            }
        }

        if (items is Array { Rank: > 1 } array)
        {
            for (int dimension = 0; dimension < array.Rank; dimension++)
                text.Append(array.GetLowerBound(dimension)).Append('+').Append(array.GetLength(dimension)).Append(',');
        }

        Type item = declared.IsInterface ? Anatomies.GetOrAdd(declared, static type => new(type)).Item : anatomy.Item;
        text.Append('[');
        if (anatomy.IsOrderedByHash && !declared.IsInterface)
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

    /// <summary>What there is to a type; finding it takes longer than drawing a value.</summary>
    private sealed class Anatomy
    {
        public Anatomy(Type type)
        {
            Name = type.ToString();
            List<FieldInfo> fields = [];
            for (Type? declaring = type; declaring is not null; declaring = declaring.BaseType)
                fields.AddRange(declaring.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly));
            Fields = [.. fields];
            Item = ItemOf(type);
            Comparer = type.GetProperty("Comparer") ?? type.GetProperty("KeyComparer");
            InlineLength = type.GetCustomAttribute<InlineArrayAttribute>()?.Length ?? 0;
            Type definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
            ToArray = definition == typeof(Memory<>) || definition == typeof(ReadOnlyMemory<>) ? type.GetMethod("ToArray") : null;
            // Texts have other hashes in every process.
            IsOrderedByHash = new[] { ".Frozen", "ImmutableHashSet", "ImmutableDictionary", "ConcurrentDictionary" }.Any(part => definition.FullName?.Contains(part, StringComparison.Ordinal) == true);
        }

        public string Name { get; }

        public FieldInfo[] Fields { get; }

        public Type Item { get; }

        public PropertyInfo? Comparer { get; }

        public int InlineLength { get; }

        public MethodInfo? ToArray { get; }

        public bool IsOrderedByHash { get; }

        private static Type ItemOf(Type type)
        {
            if (type.IsArray)
                return type.GetElementType()!;
            IEnumerable<Type> candidates = type.IsInterface ? type.GetInterfaces().Prepend(type) : type.GetInterfaces();
            return candidates.FirstOrDefault(static one => one.IsGenericType && one.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0] ?? typeof(object);
        }
    }
}
