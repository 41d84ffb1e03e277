using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>Where a shared object can be had: a descriptor of a process that has it, and what of it is meant.</summary>
/// <param name="Id">Of the memory, unique for ever; all zero for null.</param>
/// <param name="Process">The process that sent it.</param>
/// <param name="Descriptor">In that process.</param>
/// <param name="ProcessStart">Tells the process from a later one with the same number.</param>
/// <param name="Offset">For objects that are a part of the memory.</param>
/// <param name="Length">For objects that are a part of the memory.</param>
/// <param name="Ticket">By what its sender learns that it has arrived; 0 for none.</param>
internal readonly record struct SharedReference(Guid Id, int Process, int Descriptor, uint ProcessStart, long Offset, long Length, uint Ticket = 0);

/// <summary>Something that a call has been sent, and what its sender keeps for it until the call has ended.</summary>
internal interface ISentReference
{
    /// <summary>The call has ended: nobody comes for it any more.</summary>
    void End();
}

internal static class SharedObjects
{
    public static bool Is(Type type) =>
        type is { IsClass: true, IsSealed: true } && Array.Exists(type.GetInterfaces(), one => one.IsGenericType && one.GetGenericTypeDefinition() == typeof(ISharedObject<>));

    // What was written since KeepSent on this thread.
    [ThreadStatic]
    private static Dictionary<SharedReference, object>? sent;

    /// <summary>What this thread sends from here on is found again by its references, without being attached to: that would count as its arrival.</summary>
    public static void KeepSent() => sent = [];

    public static void ForgetSent() => sent = null;

    public static SharedReference Refer<T>(T? value)
        where T : class, ISharedObject<T>
    {
        try
        {
            SharedReference reference = value?.Refer() ?? default;
            if (value is not null && sent is not null)
                sent[reference] = value;
            return reference;
        }
        catch (ObjectDisposedException)
        {
            throw new UnsendableValueException($"{ReadableName.Of(typeof(T))} was disposed of here; dispose of it when the call has ended.");
        }
    }

    public static T? Attach<T>(in SharedReference reference)
        where T : class, ISharedObject<T>
    {
        if (reference.Id == Guid.Empty)
            return null;
        return sent is not null && sent.TryGetValue(reference, out object? original) ? (T)original : T.Attach(in reference);
    }
}

internal sealed class SharedObjectCodec<T> : Codec<T?>
    where T : class, ISharedObject<T>
{
    public override void Write(PayloadWriter writer, T? value)
    {
        PayloadWriter? outer = PayloadWriter.Enter(writer);
        try
        {
            writer.WriteUnmanaged(SharedObjects.Refer(value));
        }
        finally
        {
            PayloadWriter.Enter(outer);
        }
    }

    public override T? Read(ref PayloadReader reader)
    {
        T? value = SharedObjects.Attach<T>(reader.ReadUnmanaged<SharedReference>());
        if (value is not null)
            reader.Context?.Keep(value);
        return value;
    }
}

/// <summary>For shared objects inside of records and collections.</summary>
internal sealed class SharedObjectConverter<T> : MessagePackConverter<T>
    where T : class, ISharedObject<T>
{
    private static readonly BitwiseConverter<SharedReference> Reference = new();

    public override void Write(ref MessagePackWriter writer, in T? value, SerializationContext context)
    {
        SharedReference reference = SharedObjects.Refer(value);
        Reference.Write(ref writer, in reference, context);
    }

    public override T? Read(ref MessagePackReader reader, SerializationContext context) => SharedObjects.Attach<T>(Reference.Read(ref reader, context));
}

internal sealed class SharedObjectConverterFactory : IMessagePackConverterFactory
{
    public MessagePackConverter? CreateConverter(Type type, ITypeShape? shape, in ConverterContext context) =>
        SharedObjects.Is(type) ? (MessagePackConverter)Activator.CreateInstance(typeof(SharedObjectConverter<>).MakeGenericType(type))! : null;
}
