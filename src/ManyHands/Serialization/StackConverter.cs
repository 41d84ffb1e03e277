using System.Collections.Concurrent;
using System.Collections.Immutable;
using Nerdbank.MessagePack;
using PolyType;
using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>
/// Stacks enumerate from the top and are filled from the bottom, and so are bags; a converter that doesn't know that turns them upside down.
/// </summary>
internal sealed class StackConverter<TStack, TItem>(ITypeShape<TItem> shape, Func<IEnumerable<TItem>, TStack> fill) : MessagePackConverter<TStack>
    where TStack : IEnumerable<TItem>
{
    private const int TrustedCapacity = 1024;

    // Found at first use and not before: a type may hold a stack of itself.
    private MessagePackConverter<TItem>? item;

    public override void Write(ref MessagePackWriter writer, in TStack? value, SerializationContext context)
    {
        if (value is null)
        {
            writer.WriteNil();
            return;
        }

        context.DepthStep();
        item ??= context.GetConverter(shape);
        TItem[] items = [.. value];
        writer.WriteArrayHeader(items.Length);
        foreach (TItem each in items)
            item.Write(ref writer, each, context);
    }

    public override TStack? Read(ref MessagePackReader reader, SerializationContext context)
    {
        if (reader.TryReadNil())
            return default;
        context.DepthStep();
        item ??= context.GetConverter(shape);
        int count = reader.ReadArrayHeader();
        List<TItem> items = new(Math.Min(count, TrustedCapacity));
        for (int index = 0; index < count; index++)
            items.Add(item.Read(ref reader, context)!);
        items.Reverse();
        return fill(items);
    }
}

internal sealed class StackConverterFactory : IMessagePackConverterFactory, ITypeShapeFunc
{
    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context) =>
        IsStack(type) && shape is IEnumerableTypeShape { ElementType: { } item } ? (MessagePackConverter?)item.Invoke(this, type) : null;

    object? ITypeShapeFunc.Invoke<TItem>(ITypeShape<TItem> typeShape, object? state) => (Type)state! switch
    {
        var type when type == typeof(Stack<TItem>) => new StackConverter<Stack<TItem>, TItem>(typeShape, static items => new Stack<TItem>(items)),
        var type when type == typeof(ConcurrentStack<TItem>) => new StackConverter<ConcurrentStack<TItem>, TItem>(typeShape, static items => new ConcurrentStack<TItem>(items)),
        var type when type == typeof(ConcurrentBag<TItem>) => new StackConverter<ConcurrentBag<TItem>, TItem>(typeShape, static items => [.. items]),
        var type when type == typeof(ImmutableStack<TItem>) => new StackConverter<ImmutableStack<TItem>, TItem>(typeShape, static items => ImmutableStack.CreateRange(items)),
        _ => new StackConverter<IImmutableStack<TItem>, TItem>(typeShape, static items => ImmutableStack.CreateRange(items)),
    };

    private static bool IsStack(Type type)
    {
        if (!type.IsGenericType)
            return false;
        Type definition = type.GetGenericTypeDefinition();
        return definition == typeof(Stack<>) || definition == typeof(ConcurrentStack<>) || definition == typeof(ConcurrentBag<>)
            || definition == typeof(ImmutableStack<>) || definition == typeof(IImmutableStack<>);
    }
}
