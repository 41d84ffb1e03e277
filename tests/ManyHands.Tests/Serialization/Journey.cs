using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>Sends a value through its codec and back, as a call does.</summary>
internal static class Journey
{
    public static T Of<T>(T value)
    {
        using PayloadWriter writer = new();
        // A stranger before and after shows that a codec takes its own bytes and no others.
        writer.WriteUnmanaged(0x1234);
        Codec<T>.Instance.Write(writer, value);
        writer.WriteUnmanaged(0x5678);
        PayloadReader reader = new(writer.WrittenMemory);
        Assert.Equal(0x1234, reader.ReadUnmanaged<int>());
        T arrived = Codec<T>.Instance.Read(ref reader);
        Assert.Equal(0x5678, reader.ReadUnmanaged<int>());
        Assert.Equal(0, reader.Remaining);
        return arrived;
    }

    public static void ArrivesEqual<T>(T value)
    {
        T arrived = Of(value);
        Assert.Equal(Portrait.Of(value), Portrait.Of(arrived));
    }

    public static byte[] BytesOf<T>(T value)
    {
        using PayloadWriter writer = new();
        Codec<T>.Instance.Write(writer, value);
        return writer.WrittenSpan.ToArray();
    }

    public static T Read<T>(byte[] bytes)
    {
        PayloadReader reader = new(bytes);
        return Codec<T>.Instance.Read(ref reader);
    }

    public static string RefusalOf<T>(T value)
    {
        using PayloadWriter writer = new();
        writer.WriteByte(1);
        string message = Assert.Throws<UnsendableValueException>(() => Codec<T>.Instance.Write(writer, value)).Message;
        Assert.Equal(1, writer.Length);
        return message;
    }
}
