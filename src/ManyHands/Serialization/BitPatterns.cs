using System.Collections.Concurrent;
using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ManyHands.Serialization;

/// <summary>
/// Which bits are a value of a type without references. The runtime believes what stands in memory, and bits that are no value can end the process, in the arithmetic of a decimal for one. So bits of another
/// process are taken as they are only where every pattern is a value; the others are checked, and where no check is known they aren't taken at all.
/// </summary>
internal sealed class BitPatterns
{
    private static readonly ConcurrentDictionary<Type, BitPatterns> Known = new();
    private static readonly BitPatterns All = new([]);

    // Beside the primitive numbers. To name a type here says that all that can be done with any pattern of its bits is as good as with any other.
    private static readonly HashSet<Type> Whole =
    [
        typeof(Guid), typeof(TimeSpan), typeof(Half), typeof(Int128), typeof(UInt128), typeof(Index), typeof(Range),
        typeof(Complex), typeof(Vector2), typeof(Vector3), typeof(Vector4), typeof(Quaternion), typeof(Plane), typeof(Matrix3x2), typeof(Matrix4x4),
    ];

    // By name, as elsewhere: naming them as types would load their assemblies into every application.
    private static readonly HashSet<string> WholeByName =
    [
        "System.Drawing.Point", "System.Drawing.PointF", "System.Drawing.Size", "System.Drawing.SizeF",
        "System.Drawing.Rectangle", "System.Drawing.RectangleF",
    ];

    // These keep their content in private fields, and that is all they are.
    private static readonly HashSet<Type> Transparent = [typeof(Nullable<>), typeof(KeyValuePair<,>)];

    // Of these it is only asked how large a number is.
    private static readonly HashSet<Type> Vectors = [typeof(Vector<>), typeof(Vector64<>), typeof(Vector128<>), typeof(Vector256<>), typeof(Vector512<>)];

    private readonly PlacedCheck[] checks;

    private BitPatterns(PlacedCheck[] checks, Refusal? whyUnknown = null)
    {
        this.checks = checks;
        WhyUnknown = whyUnknown;
        WhyNotInPlace = whyUnknown ?? Array.Find(checks, static one => one.Check.WhyNotInPlace is not null)?.Check.WhyNotInPlace;
    }

    /// <summary>Whether there is nothing to check.</summary>
    public bool AreAllValues => checks.Length == 0 && WhyUnknown is null;

    /// <summary>Why bits of another process can't be taken for such values; null if they can, after a check.</summary>
    public Refusal? WhyUnknown { get; }

    /// <summary>
    /// Why such values can't be used where they stand in memory that other processes may write to at any time, so that no check holds; null if they can. A boolean may: whatever isn't 0 is true.
    /// </summary>
    public Refusal? WhyNotInPlace { get; private init; }

    /// <summary>The bytes of a value that belong to no field and have no meaning, as first byte and count.</summary>
    public (int Offset, int Count)[] Padding { get; private init; } = [];

    public static BitPatterns Of(Type type) => Known.TryGetValue(type, out BitPatterns? known) ? known : Known.GetOrAdd(type, Determine(type));

    /// <summary>Whether it is one of the runtime's own values, which travel as their bits: a number, a date, an enum.</summary>
    public static bool IsSingleValue(Type type) => IsWhole(type) || CheckOf(type) is not null;

    /// <summary>Whether the bytes are values of the type, which takes that many.</summary>
    public bool AreValues(ReadOnlySpan<byte> bytes, int size)
    {
        if (WhyUnknown is not null)
            return false;
        int count = bytes.Length / size;
        ref byte first = ref MemoryMarshal.GetReference(bytes);
        foreach (PlacedCheck placed in checks)
        {
            if (placed.Count == 1)
            {
                if (!placed.Check.AreValues(ref Unsafe.Add(ref first, placed.Offset), size, count))
                    return false;
                continue;
            }

            for (int i = 0; i < count; i++)
            {
                if (!placed.Check.AreValues(ref Unsafe.Add(ref first, (i * size) + placed.Offset), placed.Stride, placed.Count))
                    return false;
            }
        }

        return true;
    }

    /// <summary>Sets to zero what lies between the fields: it may be anything, even what was in that memory before.</summary>
    public void ClearPadding(Span<byte> bytes, int size)
    {
        foreach ((int offset, int count) in Padding)
        {
            for (int at = offset; at < bytes.Length; at += size)
                bytes.Slice(at, count).Clear();
        }
    }

    private static bool IsWhole(Type type)
    {
        if (type.IsEnum)
            return IsWhole(type.GetEnumUnderlyingType());
        return (type.IsPrimitive && type != typeof(bool) && type != typeof(nint) && type != typeof(nuint))
            || Whole.Contains(type)
            || (type is { IsValueType: true, IsGenericType: false, FullName: { } name } && WholeByName.Contains(name));
    }

    private static BitCheck? CheckOf(Type type)
    {
        if (type == typeof(bool))
            return new BitCheck<BooleanBits>(null);
        if (type == typeof(decimal))
            return new BitCheck<DecimalBits>(NotInPlace("decimal", "store the four int of decimal.GetBits, or the number of its smallest unit as a long"));
        if (type == typeof(DateTime))
            return new BitCheck<DateTimeBits>(NotInPlace("DateTime", "store its ToBinary() as a long"));
        if (type == typeof(DateTimeOffset))
            return new BitCheck<DateTimeOffsetBits>(NotInPlace("DateTimeOffset", "store its UtcTicks as a long and its TotalOffsetMinutes as an int"));
        if (type == typeof(DateOnly))
            return new BitCheck<DateOnlyBits>(NotInPlace("DateOnly", "store its DayNumber as an int"));
        if (type == typeof(TimeOnly))
            return new BitCheck<TimeOnlyBits>(NotInPlace("TimeOnly", "store its Ticks as a long"));
        if (type == typeof(System.Text.Rune))
            return new BitCheck<RuneBits>(NotInPlace("Rune", "store its Value as an int"));
        return null;
    }

    private static Refusal NotInPlace(string type, string remedy) =>
        Refusal.Here($"is a {type}, of which not all bits are one, and others could write any into this memory at any time", remedy);

    private static BitPatterns Determine(Type type)
    {
        if (IsWhole(type))
            return All;
        if (CheckOf(type) is { } check)
            return new([new PlacedCheck(check, 0, 0, 1)]) { Padding = type == typeof(DateTimeOffset) ? PaddingOf(FieldLayout.Of(type)) : [] };
        return WhyNotFieldByField(type) is { } refusal ? new([], refusal) : Compose(type);
    }

    private static Refusal? WhyNotFieldByField(Type type)
    {
        if (type.IsPointer || type.IsFunctionPointer || type == typeof(nint) || type == typeof(nuint))
            return Refusal.Here($"is a {ReadableName.Of(type)}, which means nothing in another process", "store the data it points to, or a long if it is only a number");
        if (!type.IsValueType || type.IsByRefLike)
            return Refusal.Here("is a reference, which means nothing in another process", "store what it refers to");
        if (IsFramework(type) && !Transparent.Contains(Definition(type)) && !IsVector(type) && type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic).Length > 0)
            return Refusal.Here($"is a {ReadableName.Of(type)}, of which only the runtime knows what bits it may have", "store what it can be made of again");
        return null;
    }

    private static BitPatterns Compose(Type type)
    {
        List<(FieldInfo Info, BitPatterns Patterns, int Times)> parts = [];
        Refusal? notInPlace = null;
        foreach (FieldInfo field in FieldLayout.FieldsOf(type))
        {
            FixedBufferAttribute? buffer = field.GetCustomAttribute<FixedBufferAttribute>();
            BitPatterns patterns = Of(buffer?.ElementType ?? field.FieldType);
            string path = "." + field.Name;
            if (patterns.WhyUnknown is { } unknown)
                return new([], unknown.Under(path));
            notInPlace ??= patterns.WhyNotInPlace?.Under(path);
            int times = buffer?.Length ?? type.GetCustomAttribute<InlineArrayAttribute>()?.Length ?? 1;
            parts.Add((field, patterns, times));
        }

        if (parts.TrueForAll(static part => part.Patterns.AreAllValues))
            return All;
        PlacedField[] layout = FieldLayout.Of(type);
        List<PlacedCheck> placed = [];
        for (int i = 0; i < parts.Count; i++)
        {
            (FieldInfo field, BitPatterns patterns, int times) = parts[i];
            if (patterns.AreAllValues)
                continue;

            // Bits that are right for one may be wrong for the other, and nobody can say which of them is meant.
            if (Array.FindIndex(layout, other => other.Field != field && other.Overlaps(layout[i])) is var other and >= 0)
                return new([], Refusal.Here($"shares its bytes with .{layout[other].Field.Name}, and not all bits are a {ReadableName.Of(field.FieldType)}", "give each a place of its own").Under("." + field.Name));
            // The field of an inline array is its first element, that of a fixed buffer all of them.
            int stride = field.IsDefined(typeof(FixedBufferAttribute)) ? layout[i].Size / times : layout[i].Size;
            foreach (PlacedCheck one in patterns.checks)
                placed.AddRange(one.Repeat(layout[i].Offset, stride, times));
        }

        return new([.. placed]) { WhyNotInPlace = notInPlace };
    }

    private static (int Offset, int Count)[] PaddingOf(PlacedField[] layout)
    {
        List<(int, int)> gaps = [];
        int end = 0;
        foreach (PlacedField field in layout.OrderBy(static field => field.Offset))
        {
            if (field.Offset > end)
                gaps.Add((end, field.Offset - end));
            end = field.Offset + field.Size;
        }

        int size = FieldLayout.SizeOf(layout[0].Field.DeclaringType!);
        if (size > end)
            gaps.Add((end, size - end));
        return [.. gaps];
    }

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;

    private static bool IsVector(Type type) => type.IsGenericType && Vectors.Contains(type.GetGenericTypeDefinition()) && type.GetGenericArguments()[0] is { IsPrimitive: true } number && number != typeof(bool);

    private static bool IsFramework(Type type) =>
        type.Assembly == typeof(object).Assembly
        || (type.Assembly.GetName().Name is { } name && (name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal)));

    /// <summary>A check, and where in a value it applies: so many times, that many bytes apart.</summary>
    private sealed record PlacedCheck(BitCheck Check, int Offset, int Stride, int Count)
    {
        public IEnumerable<PlacedCheck> Repeat(int offset, int stride, int times)
        {
            if (times == 1 || Count == 1)
                return [this with { Offset = Offset + offset, Stride = times == 1 ? Stride : stride, Count = times == 1 ? Count : times }];
            return Enumerable.Range(0, times).Select(index => this with { Offset = Offset + offset + (index * stride) });
        }
    }
}

/// <summary>The patterns of a type that is known beforehand.</summary>
internal static class BitPatterns<T>
{
    private static readonly BitPatterns Patterns = BitPatterns.Of(typeof(T));

    /// <inheritdoc cref="BitPatterns.AreAllValues"/>
    public static readonly bool AreAllValues = Patterns.AreAllValues;

    /// <summary>Whether values have bytes without meaning.</summary>
    public static readonly bool HasPadding = Patterns.Padding.Length > 0;

    /// <inheritdoc cref="BitPatterns.WhyUnknown"/>
    public static Refusal? WhyUnknown => Patterns.WhyUnknown;

    /// <inheritdoc cref="BitPatterns.WhyNotInPlace"/>
    public static Refusal? WhyNotInPlace => Patterns.WhyNotInPlace;

    /// <summary>Whether the bits of what was copied are a value.</summary>
    public static bool IsValue(in T value) =>
        AreAllValues || Patterns.AreValues(MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<T, byte>(ref Unsafe.AsRef(in value)), Unsafe.SizeOf<T>()), Unsafe.SizeOf<T>());

    /// <summary>Whether the bytes of what was copied are values, a whole number of them.</summary>
    public static bool AreValues(ReadOnlySpan<byte> bytes) => AreAllValues || Patterns.AreValues(bytes, Unsafe.SizeOf<T>());

    /// <inheritdoc cref="BitPatterns.ClearPadding"/>
    public static void ClearPadding(Span<byte> bytes) => Patterns.ClearPadding(bytes, Unsafe.SizeOf<T>());
}
