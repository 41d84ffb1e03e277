using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Serialization;

namespace ManyHands.Memory;

/// <summary>
/// Which bytes of a type without references are its value. Those between fields belong to none: whether a copy takes them along is up to the compiler, so two copies of one value may differ there.
/// </summary>
internal static unsafe class ValueBytes<T>
    where T : unmanaged
{
    private static readonly (int Start, int Length)[] Runs = Find();

    /// <summary>Whether some bytes belong to no field.</summary>
    public static readonly bool HasGaps = Runs is not [(0, var length)] || length != sizeof(T);

    /// <summary>Whether all fields are, bit by bit, the same.</summary>
    public static bool AreSame(T one, T other)
    {
        foreach ((int start, int length) in Runs)
        {
            if (!new ReadOnlySpan<byte>((byte*)&one + start, length).SequenceEqual(new((byte*)&other + start, length)))
                return false;
        }

        return true;
    }

    private static (int Start, int Length)[] Find()
    {
        bool[] isUsed = new bool[sizeof(T)];
        Mark(typeof(T), sizeof(T), isUsed);
        List<(int, int)> runs = [];
        for (int at = 0; at < isUsed.Length; at++)
        {
            int start = at;
            while (at < isUsed.Length && isUsed[at])
                at++;
            if (at > start)
                runs.Add((start, at - start));
        }

        return [.. runs];
    }

    private static void Mark(Type type, int size, Span<bool> isUsed)
    {
        if (type.IsPrimitive || type.IsEnum || type.IsPointer || type.IsFunctionPointer)
        {
            isUsed[..size].Fill(true);
            return;
        }

        PlacedField[] layout = FieldLayout.Of(type);
        int end = 0;
        foreach (PlacedField placed in layout)
        {
            // The field of an inline array is its first element.
            int times = type.GetCustomAttribute<InlineArrayAttribute>()?.Length ?? 1;
            for (int i = 0; i < times; i++)
                Mark(placed.Field.FieldType, placed.Size, isUsed[(placed.Offset + (i * placed.Size))..]);
            end = Math.Max(end, placed.Offset + (times * placed.Size));
        }

        // Whoever says how large a type is beyond its fields keeps something there, as the compiler does for a fixed buffer.
        if (layout.Length > 0 && type.StructLayoutAttribute is { Size: > 0 } stated && stated.Size > end)
            isUsed[end..size].Fill(true);
    }
}
