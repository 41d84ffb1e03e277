using Nerdbank.MessagePack;
using PolyType;
using PolyType.ReflectionProvider;

namespace ManyHands.Serialization;

/// <summary>The one MessagePack serializer, set up so that nothing is left out, shared or guessed.</summary>
internal static class ExactSerializer
{
    /// <summary>
    /// How deep objects and collections may nest. Half a thousand is far more than data has and little enough for any thread's stack.
    /// </summary>
    public const int MaxDepth = 500;

    // The checks before count only what they look into, so the serializer gets room for the flat records inside the deepest object.
    private const int SerializerDepth = MaxDepth + 24;

    /// <summary>For values of any depth; only on a <see cref="RoomyStack"/>.</summary>
    public static readonly MessagePackSerializer Deep = new()
    {
        // A property that was set to 0 but starts as 5 must be sent, or it would arrive as 5.
        SerializeDefaultValues = SerializeDefaultValuesPolicy.Always,
        // Null in a string that says it is never null is the sender's truth; it arrives like everything else.
        DeserializeDefaultValues = DeserializeDefaultValuesPolicy.AllowNullValuesForNonNullableProperties,
        // Both sides are the same build: members travel by position.
        PerfOverSchemaStability = true,
        IgnoreKeyAttributes = true,
        MultiDimensionalArrayFormat = MultiDimensionalArrayFormat.Flat,
        // Dictionaries arrive with the default comparer, as they were sent, and not with one of the serializer's.
        ComparerProvider = null,
        PreserveReferences = ReferencePreservationMode.Off,
        StartingContext = new SerializationContext { MaxDepth = SerializerDepth },
        Converters =
        [
            new ExactStringConverter(),
            new ExactDateTimeConverter(),
            new ExactDateTimeOffsetConverter(),
            new ExactDecimalConverter(),
            new UriConverter(),
            new CultureConverter(),
            new AddressConverter(),
            new EndPointConverter(),
            new BitArrayConverter(),
            new JsonElementConverter(),
            new JsonDocumentConverter(),
        ],
        ConverterFactories = [new SharedObjectConverterFactory(), new BitwiseConverterFactory(), new BlockConverterFactory(), new StackConverterFactory(), new SortedConverterFactory(), new TextKeyConverterFactory()],
    };

    /// <summary>For values of few levels, as nearly all are. It shares the other one's converters.</summary>
    public static readonly MessagePackSerializer Shallow = Deep with { StartingContext = new SerializationContext { MaxDepth = RoomyStack.LevelsAnywhere } };

    public static ITypeShape<T> ShapeOf<T>() => ReflectionTypeShapeProvider.Default.GetTypeShape<T>();
}
