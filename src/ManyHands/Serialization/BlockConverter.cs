using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>Gets at the items of a collection that lie side by side in memory, and makes one of an array of them.</summary>
internal abstract class BlockShape<TCollection, TItem>
{
    public abstract bool IsNull(in TCollection collection);

    public abstract ReadOnlySpan<TItem> ItemsOf(in TCollection collection);

    public abstract TCollection Make(TItem[] items);
}

/// <summary>
/// Numbers and their like in one copy. Besides being fast it is exact: the library's own way with booleans makes true ones that
/// aren't equal to true.
/// </summary>
internal sealed class BlockConverter<TCollection, TItem>(BlockShape<TCollection, TItem> shape) : MessagePackConverter<TCollection>
    where TItem : unmanaged
{
    public override void Write(ref MessagePackWriter writer, in TCollection? value, SerializationContext context)
    {
        if (shape.IsNull(in value!))
            writer.WriteNil();
        else
            writer.Write(MemoryMarshal.AsBytes(shape.ItemsOf(in value!)));
    }

    public override TCollection? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return default;
        ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
        if (bytes.Length % Unsafe.SizeOf<TItem>() != 0)
            throw new MessagePackSerializationException($"{bytes.Length:N0} bytes are no whole number of items of {Unsafe.SizeOf<TItem>()} bytes.");
        TItem[] items = GC.AllocateUninitializedArray<TItem>((int)(bytes.Length / Unsafe.SizeOf<TItem>()));
        bytes.CopyTo(MemoryMarshal.AsBytes(items.AsSpan()));
        if (!BitPatterns<TItem>.AreValues(MemoryMarshal.AsBytes(items.AsSpan())))
            throw new MessagePackSerializationException($"It has bits that are no {ReadableName.Of(typeof(TItem))}.");
        return shape.Make(items);
    }
}

internal sealed class BlockConverterFactory : IMessagePackConverterFactory
{
    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context)
    {
        if (type.IsSZArray)
            return IsWhole(type.GetElementType()!) ? Make(typeof(ArrayBlock<>), type, type.GetElementType()!) : null;
        if (!type.IsGenericType || type.GetGenericArguments() is not [Type item] || !IsWhole(item))
            return null;
        return type.GetGenericTypeDefinition() switch
        {
            var definition when definition == typeof(List<>) => Make(typeof(ListBlock<>), type, item),
            var definition when definition == typeof(Memory<>) => Make(typeof(MemoryBlock<>), type, item),
            var definition when definition == typeof(ReadOnlyMemory<>) => Make(typeof(ReadOnlyMemoryBlock<>), type, item),
            var definition when definition == typeof(ImmutableArray<>) => Make(typeof(ImmutableArrayBlock<>), type, item),
            _ => null,
        };
    }

    // Bytes without meaning would make equal collections differ when they are compared as they travel.
    private static bool IsWhole(Type item) => BitPatterns.IsSingleValue(item) && BitPatterns.Of(item).Padding.Length == 0;

    private static MessagePackConverter Make(Type block, Type collection, Type item) =>
        (MessagePackConverter)Activator.CreateInstance(
            typeof(BlockConverter<,>).MakeGenericType(collection, item),
            Activator.CreateInstance(block.MakeGenericType(item)))!;
}

internal sealed class ArrayBlock<TItem> : BlockShape<TItem[], TItem>
{
    public override bool IsNull(in TItem[] collection) => collection is null;

    public override ReadOnlySpan<TItem> ItemsOf(in TItem[] collection) => collection;

    public override TItem[] Make(TItem[] items) => items;
}

internal sealed class ListBlock<TItem> : BlockShape<List<TItem>, TItem>
{
    public override bool IsNull(in List<TItem> collection) => collection is null;

    public override ReadOnlySpan<TItem> ItemsOf(in List<TItem> collection) => CollectionsMarshal.AsSpan(collection);

    public override List<TItem> Make(TItem[] items) => [.. items];
}

internal sealed class MemoryBlock<TItem> : BlockShape<Memory<TItem>, TItem>
{
    public override bool IsNull(in Memory<TItem> collection) => false;

    public override ReadOnlySpan<TItem> ItemsOf(in Memory<TItem> collection) => collection.Span;

    public override Memory<TItem> Make(TItem[] items) => items;
}

internal sealed class ReadOnlyMemoryBlock<TItem> : BlockShape<ReadOnlyMemory<TItem>, TItem>
{
    public override bool IsNull(in ReadOnlyMemory<TItem> collection) => false;

    public override ReadOnlySpan<TItem> ItemsOf(in ReadOnlyMemory<TItem> collection) => collection.Span;

    public override ReadOnlyMemory<TItem> Make(TItem[] items) => items;
}

internal sealed class ImmutableArrayBlock<TItem> : BlockShape<ImmutableArray<TItem>, TItem>
{
    public override bool IsNull(in ImmutableArray<TItem> collection) => false;

    public override ReadOnlySpan<TItem> ItemsOf(in ImmutableArray<TItem> collection) => collection.AsSpan();

    public override ImmutableArray<TItem> Make(TItem[] items) => ImmutableCollectionsMarshal.AsImmutableArray(items);
}
